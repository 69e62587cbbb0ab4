//go:build unix

package main

import (
	"context"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// watchChip has a page note the silence that its chip told first, and at which it dimmed.
const watchChip = `!(window.first = "") && !(window.dimmed = "") && Boolean(setInterval(() => {
	const told = document.querySelector(".line-chip:not([hidden])")?.textContent ?? "";
	window.first ||= told;
	if (document.body.classList.contains("stale")) window.dimmed ||= told;
}, 20))`

// silence is the seconds in "No answer for 0.6 s"; 0 if there are none.
const silence = `((told) => Number(/[\d.]+(?= s)/.exec(told)?.[0] ?? 0))`

// in moves the browser to a time zone.
func (b *tab) in(zone string) {
	b.t.Helper()
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone})
		return err
	}))
}

func TestThePageTellsTheTruthAboutTheLine(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	home := "http://" + server.address
	arena, chat := openTab(t, path, "Arena-line", home+"/play/arena"), openTab(t, path, "Chat-line", home+"/play/chat")
	arena.waitFor("joins", inArena)
	chat.waitFor("joins", inChat)
	chat.write("Hello?\r")
	chat.waitFor("has said it", inChannel("general", "c.lines.length === 1"))
	js[bool](chat, `!(window.chips = 0) && Boolean(setInterval(() => (window.chips += `+chip+` ? 1 : 0), 50))`)
	chat.waitFor("has been quiet for some time", `performance.now() > (window.until ??= performance.now() + 4000)`)
	require.Zero(t, js[int](chat, "window.chips"), "in a room on demand nothing is due")
	require.False(t, js[bool](arena, chip+" !== null"))

	// The whole server stands still: its connections stay open.
	js[bool](arena, watchChip)
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	arena.waitFor("tells of the silence", chip)
	arena.shoot("chip")
	arena.waitFor("dims", stale)
	arena.shoot("dimmed")
	chat.waitFor("tells of the silence, later", `window.chips > 0`)
	arena.waitFor("gives the line up", cover+`.matches("dialog:modal") && /Reconnecting/.test(document.getElementById("cover-title").textContent)`)
	arena.waitFor("tells how long the seat is kept", `/Your seat is kept for another \d+ s/.test(`+count+`)`)
	arena.shoot("seat-kept")
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGCONT))
	arena.waitFor("is back", inArena+` && !`+cover+`.open && !`+stale)
	chat.waitFor("is back", inChat+` && !`+stale)
	first, dimmed := js[float64](arena, silence+"(first)"), js[float64](arena, silence+"(dimmed)")
	require.GreaterOrEqual(t, first, 0.5)
	require.GreaterOrEqual(t, dimmed, 2.)
	require.Less(t, first, dimmed)
	require.Empty(t, js[string](arena, news), "it is the seat that it had")

	// The server is gone, as an operator ends it, and stays away for longer than a restart takes.
	require.NoError(t, server.stop())
	arena.waitFor("says why", `/The server is restarting/.test(`+words+`)`)
	arena.waitFor("does not believe in it any more", `/The server is still down/.test(`+words+`) && /Next try in \d+ s|Trying now/.test(`+count+`)`)
	require.False(t, js[bool](arena, `/seat/.test(`+count+`)`), "the seat went with the server")
	arena.shoot("still-down")
	server.start()
	arena.waitFor("says what is lost", inArena+` && `+news+` === "The server was restarted. This is a new room: its scores begin anew."`)
	chat.waitFor("says what is lost", inChat+` && `+news+` === "The server was restarted. This is a new room: what was said before is gone." && /^This is a new room/.test(document.getElementById("nothing").textContent)`)
	arena.shoot("news")
	chat.shoot("news")
	arena.run(chromedp.Click(chromedp.CSS(".note.news button")))
	arena.waitFor("has put it away", news+` === ""`)

	// A seat is gone with its time, whatever the server does.
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	chat.waitFor("waits for longer than a seat is kept", `performance.now() > (window.later ??= performance.now() + 24000)`)
	chat.waitFor("says so", `/Your seat may be gone by now/.test(document.getElementById("banner-count").textContent)`)
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGCONT))
	chat.waitFor("is back", inChat)
}

func TestAFullServerIsWaitedFor(t *testing.T) {
	path := browser(t)
	t.Setenv("TICKHALL_ADMIN_TOKEN", adminToken)
	t.Setenv("TICKHALL_MAX_PLAYERS", "1")
	server := startProcess(t)
	home := "http://" + server.address
	start := openTab(t, path, "Full-start", home+"/")
	start.waitFor("counts", `/Nobody here right now/.test(document.querySelector("[data-kind=arena] [data-count]").textContent)`)

	watcher := openTab(t, path, "Full-watcher", home+"/play/arena?watch")
	watcher.waitFor("waits for somebody to watch", `/Nobody plays right now/.test(`+words+`) && /Next try in \d+ s/.test(`+count+`)`)
	ada := openTab(t, path, "Full-ada", home+"/play/arena")
	ada.in("Asia/Tokyo")
	ada.waitFor("joins", inArena)
	start.waitFor("says that it is full", `/^Full right now: 1 here now/.test(document.querySelector("[data-kind=arena] [data-count]").textContent)`)
	start.shoot("full")
	bob := openTab(t, path, "Full-bob", home+"/play/arena")
	bob.waitFor("waits", `/The server is full right now/.test(`+words+`) && /Next try in \d+ s/.test(`+count+`)`)
	require.True(t, js[bool](bob, `document.getElementById("cover-count").getAttribute("aria-hidden") === "true" && !document.getElementById("again").hidden`), "seconds are not read out")
	bob.shoot("waits")
	chat := openTab(t, path, "Full-chat", home+"/play/chat")
	chat.waitFor("waits", `/The server is full right now/.test(document.getElementById("banner-text").textContent) && /Next try in \d+ s/.test(document.getElementById("banner-count").textContent)`)
	chat.shoot("waits")
	chat.run(chromedp.Navigate("about:blank"))

	user := js[string](ada, "__tickhall.user()")
	watcher.run(chromedp.Navigate("about:blank"))
	server.admin("ban", `{"user": "`+user+`", "for": "90s", "reason": "cheating"}`)
	ada.waitFor("is told until when, and why", `/^You were removed: banned until (?!.*UTC).+: cheating\.$/.test(`+words+`)`)
	ada.run(chromedp.Click(chromedp.CSS("#again")))
	ada.waitFor("is told what is banned", `/^User "guest-[^"]+" is banned from this server until (?!.*UTC).+: cheating\.$/.test(`+words+`)`)
	require.True(t, js[bool](ada, `new Date().getTimezoneOffset() === -540 && [0, 60, 120, 180].some((s) => `+words+`.includes(new Date(Date.now() + s * 1000).toLocaleTimeString([], { timeStyle: "short" })))`), "in the player's own time")
	ada.shoot("banned")

	bob.waitFor("has the seat", inArena)
	start.waitFor("is still full", `/^Full right now/.test(document.querySelector("[data-kind=arena] [data-count]").textContent)`)
	server.admin("rooms/"+js[string](bob, "__tickhall.room()")+"/close", `{"reason": "for repairs"}`)
	bob.waitFor("reads the operator's words", words+` === "The room has ended: for repairs."`)
	server.kill()
	start.waitFor("knows that the server is away", `document.getElementById("down").checkVisibility()`)
	start.shoot("down")
	bob.run(chromedp.Click(chromedp.CSS("#again")))
	bob.waitFor("waits for the server", `/can't be reached/.test(`+words+`) && /Next try in \d+ s/.test(`+count+`)`)
	server.start()
	bob.waitFor("gets in", inArena)
	start.waitFor("knows that it is back", `!document.getElementById("down").checkVisibility()`)
}
