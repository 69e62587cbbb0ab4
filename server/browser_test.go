package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// browser is the path of a Chromium. Without one the test is skipped, or fails where
// TICKHALL_REQUIRE_BROWSER is set.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("TICKHALL_REQUIRE_BROWSER") != "" {
		t.Fatal("TICKHALL_REQUIRE_BROWSER is set, but no Chromium was found")
	}
	t.Skip("no Chromium was found: install one to run the browser tests, such as Debian's package chromium")
	return ""
}

// What the pages show.
const (
	inArena = `window.__tickhall && __tickhall.state() === "joined" && __tickhall.me()`
	inChat  = `window.__tickhall && __tickhall.channels().length >= 3 && __tickhall.channels().every(c => c.state === "joined")`

	chip  = `document.querySelector(".line-chip:not([hidden])")`
	stale = `document.body.classList.contains("stale")`
	cover = `document.getElementById("cover")`
	words = `document.getElementById("cover-text").textContent`
	count = `document.getElementById("cover-count").textContent`
	news  = `(document.querySelector(".note.news span")?.textContent ?? "")`
)

// process is a server in a process of its own, as `go run ./server` starts it.
type process struct {
	t       *testing.T
	binary  string
	address string
	cmd     *exec.Cmd
}

func startProcess(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, binary: filepath.Join(t.TempDir(), "tickhall")}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free now
	require.NoError(t, err)
	p.address = l.Addr().String()
	require.NoError(t, l.Close())
	p.start()
	t.Cleanup(p.kill)
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(p.binary, "--listen", p.address)
	p.cmd.Stderr = os.Stderr
	// What is said to these tests is no setting of a server, which refuses what it does not know.
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "TICKHALL_REQUIRE_BROWSER=") || strings.HasPrefix(v, "TICKHALL_SCREENSHOTS=")
	})
	require.NoError(p.t, p.cmd.Start())
	eventually(p.t, "the server answers", func() bool {
		res, err := http.Get("http://" + p.address + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// kill ends the server as a crash does.
func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

// stop ends the server as an operator does and returns how it ended.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	return p.cmd.Wait()
}

// eventually waits for a condition, looking 20 times a second for half a minute.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-deadline.C:
			t.Fatalf("%s: not within 30 s", what)
		}
	}
}

// tab is one page in a browser of its own, so that neither is in the background.
type tab struct {
	t    *testing.T
	ctx  context.Context
	name string
}

func openTab(t *testing.T, path, name, url string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1280, 800),
		chromedp.Flag("no-sandbox", true), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, name: name}
	t.Cleanup(func() {
		if t.Failed() {
			text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body.innerText`))
			t.Logf("%s shows %q (%v)", name, text, err)
		}
	})
	b.run(chromedp.Navigate(url))
	return b
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	require.NoError(b.t, chromedp.Do(b.ctx, actions...), b.name)
}

// js evaluates an expression of the page.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	require.NoError(b.t, err, "%s: %s", b.name, expression)
	return v
}

func (b *tab) waitFor(what, condition string) {
	b.t.Helper()
	eventually(b.t, b.name+": "+what, func() bool { return js[bool](b, "Boolean("+condition+")") })
}

// shoot takes a screenshot, if TICKHALL_SCREENSHOTS names a folder for it.
func (b *tab) shoot(what string) {
	b.t.Helper()
	folder := os.Getenv("TICKHALL_SCREENSHOTS")
	if folder == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	require.NoError(b.t, os.MkdirAll(folder, 0o755))
	require.NoError(b.t, os.WriteFile(filepath.Join(folder, strings.ToLower(b.name)+"-"+what+".png"), png, 0o644))
}

type ship struct {
	ID    int     `json:"id"`
	Name  string  `json:"name"`
	X     float64 `json:"x"`
	Y     float64 `json:"y"`
	Safe  bool    `json:"safe"`
	Ammo  int     `json:"ammo"`
	Kills int     `json:"kills"`
}

// sees is how one page's copy of the world shows another's ship.
func (b *tab) sees(id int) ship {
	b.t.Helper()
	return js[ship](b, fmt.Sprintf("__tickhall.ships().find(s => s.id === %d) ?? {}", id))
}

func (b *tab) me() ship {
	b.t.Helper()
	return js[ship](b, "__tickhall.me() ?? {}")
}

const kills = "__tickhall.ships().reduce((n, s) => n + s.kills, 0)"

func TestTwoPagesPlayInOneArenaAndOutliveTheServer(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	start := openTab(t, path, "Ada", "http://"+server.address+"/")
	start.waitFor("the start page lists the arena", `document.body.innerText.includes("Arena")`)
	start.shoot("start")
	start.run(chromedp.SendKeys(chromedp.CSS("input"), "Ada"), chromedp.Click(chromedp.CSS(`[href="play/arena"]`)))
	ada, bob := start, openTab(t, path, "Bob", "http://"+server.address+"/play/arena")

	joined := `window.__tickhall && __tickhall.state() === "joined" && __tickhall.me()`
	ada.waitFor("joins", joined)
	bob.waitFor("joins", joined)
	require.Equal(t, "Ada", ada.me().Name)
	require.Equal(t, js[string](ada, "__tickhall.room()"), js[string](bob, "__tickhall.room()"), "both are in one room")
	both := []*tab{ada, bob}
	for _, b := range both {
		js[bool](b, `Boolean(window.__faults = []) && !addEventListener("error", (e) => __faults.push(e.message))`)
	}

	for i, mover := range both {
		watcher := both[1-i]
		id := mover.me().ID
		eventually(t, "the other sees the ship", func() bool { return watcher.sees(id).ID == id })
		before := watcher.sees(id)
		mover.run(key("keyDown", "d"), key("keyDown", "s"))
		eventually(t, watcher.name+" sees "+mover.name+" move", func() bool {
			now := watcher.sees(id)
			return abs(now.X-before.X)+abs(now.Y-before.Y) > 20
		})
		mover.run(key("keyUp", "d"), key("keyUp", "s"))
		// Until it fires, nothing can hurt a ship; the other page sees that this is over.
		mover.run(mouse("mouseMoved"), mouse("mousePressed"))
		eventually(t, watcher.name+" sees "+mover.name+" shoot", func() bool {
			s := watcher.sees(id)
			return s.ID == id && !s.Safe && js[int](watcher, "__tickhall.bolts()") > 0
		})
		mover.shoot("shoots")
		mover.run(mouse("mouseReleased"))
	}
	for _, b := range both {
		b.waitFor("a score changes", kills+" > 0")
	}
	ada.shoot("score")
	for _, b := range both {
		require.Zero(t, js[int](b, "__tickhall.stats().hashMismatches"), b.name)
	}

	server.kill()
	for _, b := range both {
		b.waitFor("says that it is reconnecting", `__tickhall.state() === "reconnecting"`)
	}
	ada.waitFor("shows it", `/reconnecting/i.test(document.body.innerText)`)
	ada.shoot("reconnecting")
	server.start()
	for _, b := range both {
		b.waitFor("is back", joined)
		b.waitFor("the world moves", `__tickhall.ships().some(s => s.vx !== 0)`)
	}
	ada.shoot("back")
	eventually(t, "both are in one room again", func() bool {
		return js[int](ada, "__tickhall.ships().filter(s => !s.bot).length") == 2
	})
	for _, b := range both {
		require.Empty(t, js[[]string](b, "__faults"), b.name)
	}
	require.NoError(t, server.stop(), "a stopped server exits with 0")
	ada.waitFor("waits for the server", `__tickhall.state() === "reconnecting"`)
	ada.waitFor("says why", `/The server is restarting/.test(document.getElementById("cover-text").textContent) && document.getElementById("cover").checkVisibility()`)
}

func TestAFriendFollowsTheLinkIntoAPrivateRoom(t *testing.T) {
	path := browser(t)
	t.Setenv("TICKHALL_ADMIN_TOKEN", adminToken)
	server := startProcess(t)
	home := "http://" + server.address
	ada := openTab(t, path, "Ada-private", home+"/")
	ada.run(chromedp.Click(chromedp.CSS(`[href="play/arena?private"]`)))
	joined := `window.__tickhall && __tickhall.state() === "joined" && __tickhall.me()`
	ada.waitFor("joins", joined)
	ada.waitFor("has the room in its address", `location.search === "?room=" + __tickhall.room()`)
	stranger := openTab(t, path, "Stranger", home+"/play/arena")
	stranger.waitFor("joins", joined)
	require.NotEqual(t, js[string](ada, "__tickhall.room()"), js[string](stranger, "__tickhall.room()"), "nobody finds the room without the code")

	ada.run(chromedp.Click(chromedp.CSS("#invite")))
	ada.waitFor("is told of the link", `/link to this room is copied|\?room=/.test(document.getElementById("toast").textContent)`)
	ada.shoot("invite")
	bob := openTab(t, path, "Bob-invited", home+"/")
	bob.run(chromedp.SendKeys(chromedp.CSS("#code"), js[string](ada, "__tickhall.room().toUpperCase()")+"\r"))
	bob.waitFor("joins", joined)
	require.Equal(t, js[string](ada, "__tickhall.room()"), js[string](bob, "__tickhall.room()"))

	watcher := openTab(t, path, "Watcher", home+"/play/arena?room="+js[string](ada, "__tickhall.room()")+"&watch")
	watcher.waitFor("watches somebody", `window.__tickhall && __tickhall.state() === "joined" && /You are watching \S/.test(document.getElementById("watched").textContent)`)
	watcher.shoot("watches")
	require.True(t, js[bool](watcher, `!__tickhall.me() && __tickhall.ships().filter(s => !s.bot).length === 2`), "who watches has no ship")
	watcher.run(chromedp.Click(chromedp.CSS("#join")))
	watcher.waitFor("plays in the same room", joined+` && __tickhall.room() === `+js[string](ada, "JSON.stringify(__tickhall.room())"))

	// A page that is loaded again takes its seat back, ship and all, and leaves no double behind.
	for _, tab := range []*tab{ada, bob} { // who made the room, and who was invited
		ship := js[int](tab, "__tickhall.me().id")
		tab.run(chromedp.Reload())
		tab.waitFor("is back", joined+` && performance.getEntriesByType("navigation")[0].type === "reload"`)
		require.Equal(t, ship, js[int](tab, "__tickhall.me().id"))
		require.Equal(t, 3, js[int](tab, `__tickhall.ships().filter(s => !s.bot).length`))
	}

	// What is held down ends with the page's being seen: no frame comes that could tell the room of it.
	bob.run(key("keyDown", "d"))
	bob.waitFor("goes right", `__tickhall.wish().dx === 127`)
	js[bool](bob, `!(window.requestAnimationFrame = () => 0)`)
	js[bool](bob, `Boolean(Object.defineProperty(document, "hidden", { get: () => true })) && document.dispatchEvent(new Event("visibilitychange"))`)
	require.Zero(t, js[int](bob, `__tickhall.wish().dx`), "a page that nobody sees flies on")

	// Who was removed is told why; a room that has ended, what to do instead.
	room := js[string](ada, "__tickhall.room()")
	server.admin("rooms/"+room+"/close", `{"reason": "repairs"}`)
	ada.waitFor("is told", `/The room has ended/.test(document.getElementById("cover-text").textContent)`)
	carl := openTab(t, path, "Carl-late", home+"/play/arena?room="+room)
	carl.waitFor("is told", `/has ended, or its code has a mistake/.test(document.getElementById("cover-text").textContent)`)
	carl.shoot("no-room")
	carl.run(chromedp.Click(chromedp.CSS("#again")))
	carl.waitFor("plays elsewhere", joined+` && location.search === ""`)
}

func TestAnOperatorsNoticeStandsOnEveryPage(t *testing.T) {
	path := browser(t)
	t.Setenv("TICKHALL_ADMIN_TOKEN", adminToken)
	server := startProcess(t)
	var tabs []*tab
	for _, kind := range []string{"arena", "chat", "whiteboard", "feed", "devices"} {
		b := openTab(t, path, "Notice-"+kind, "http://"+server.address+"/play/"+kind)
		b.waitFor("joins", `window.__tickhall && (__tickhall.channels ? __tickhall.channels().length >= 3 && __tickhall.channels().every(c => c.state === "joined") : __tickhall.state() === "joined")`)
		tabs = append(tabs, b)
	}
	server.admin("message", `{"name": "notice", "body": "Back in a minute", "to": {"all": true}}`)
	for _, b := range tabs {
		b.waitFor("shows the notice", `document.querySelectorAll(".announcement").length === 1 && document.querySelector(".announcement span").textContent === "Back in a minute"`)
		b.shoot("page")
		b.run(chromedp.Click(chromedp.CSS(".announcement button")))
		b.waitFor("has put it away", `!document.querySelector(".announcement")`)
	}
	feed := tabs[3]
	require.Zero(t, js[int](feed, "__tickhall.gaps()"), "it is none of the feed's own")
	require.NotContains(t, js[string](feed, `document.getElementById("notices").innerText`), "undefined")

	server.admin("kick", `{"user": "`+js[string](tabs[1], "__tickhall.user()")+`", "reason": "idle"}`)
	tabs[1].waitFor("is told why it was removed, in every channel",
		`/You were removed: idle\./.test(document.getElementById("banner").innerText) && __tickhall.channels().every(c => c.state === "closed")`)
}

// TestThePageOfTheClientsReadme has the server serve an author's own page: the one that the client's README tells to save.
func TestThePageOfTheClientsReadme(t *testing.T) {
	path := browser(t)
	readme, err := os.ReadFile("../protocol/js/README.md")
	require.NoError(t, err)
	_, page, _ := strings.Cut(string(readme), "```html\n")
	page, _, _ = strings.Cut(page, "```")
	pages := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(pages, "play"), 0o755))
	// What the page keeps to itself, the test has to see.
	page = strings.Replace(page, "</script>", "window.room = room;\n</script>", 1)
	require.NoError(t, os.WriteFile(filepath.Join(pages, "play", "mine.html"), []byte(page), 0o644))
	t.Setenv("TICKHALL_PAGES", pages)
	server := startProcess(t)

	ada := openTab(t, path, "Readme", "http://"+server.address+"/play/mine")
	ada.waitFor("joins", `window.room?.table("ship").size > 0`)
	js[bool](ada, `!(window.faults = 0) && Boolean(room.on("error", () => window.faults++))`)
	before := `[...room.table("ship").own()][0].x`
	js[bool](ada, "Boolean(window.at = "+before+" + 0.5)")
	ada.run(key("keyDown", "d"))
	ada.waitFor("flies", `Math.abs([...room.table("ship").own()][0].x - at) > 20`)
	ada.waitFor("draws", `((c) => c.getContext("2d").getImageData(0, 0, c.width, c.height))(document.getElementById("c")).data.some((v) => v > 0)`)
	ada.run(key("keyUp", "d"))
	ada.waitFor("says who was shot down", `/shot .+ down/.test(document.getElementById("say").textContent)`)
	ada.shoot("page")
	require.Zero(t, js[int](ada, "faults"))

	elsewhere := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	far := openTab(t, path, "Readme-elsewhere", elsewhere.URL)
	js[bool](far, `Boolean(import("http://`+server.address+`/js/tickhall.js").then((m) => (window.client = m)))`)
	far.waitFor("imports the module from there", `typeof window.client?.connect === "function"`)
}

const adminToken = "a-token-of-these-tests"

// admin asks the operator's API for something.
func (p *process) admin(path, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, "http://"+p.address+"/v1/admin/"+path, strings.NewReader(body))
	require.NoError(p.t, err)
	req.Header.Set("Authorization", "Bearer "+adminToken)
	res, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	require.NoError(p.t, res.Body.Close())
	require.Less(p.t, res.StatusCode, 300, path)
}

func key(kind input.DispatchKeyEventType, letter string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchKeyEvent, input.DispatchKeyEventParams{
			Type: kind, Key: letter, Code: "Key" + strings.ToUpper(letter),
		})
		return err
	})
}

func mouse(kind input.DispatchMouseEventType) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: 900, Y: 300, Button: input.MouseButtonLeft, ClickCount: 1,
		})
		return err
	})
}

func abs(x float64) float64 { return max(x, -x) }
