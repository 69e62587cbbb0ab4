package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// drawn is a stroke as a page has it.
type drawn struct {
	Artist string `json:"artist"`
	Colour int    `json:"colour"`
	Done   bool   `json:"done"`
	Points []int  `json:"points"`
}

func (b *tab) strokes() []drawn {
	b.t.Helper()
	return js[[]drawn](b, "__tickhall.strokes()")
}

// pointer moves, presses or releases the mouse at a point of the board.
func (b *tab) pointer(kind input.DispatchMouseEventType, x, y int) {
	b.t.Helper()
	at := js[[]float64](b, fmt.Sprintf("__tickhall.toPage(%d, %d)", x, y))
	button, buttons := input.MouseButtonLeft, int64(1)
	if kind == "mouseMoved" {
		button = "none"
	}
	if kind == "mouseReleased" {
		buttons = 0
	}
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchMouseEvent, input.DispatchMouseEventParams{
			Type: kind, X: at[0], Y: at[1], Button: button, Buttons: buttons, ClickCount: 1,
		})
		return err
	}))
}

// stroke presses the mouse and moves it along points of the board; it stays pressed.
func (b *tab) stroke(points ...[2]int) {
	b.t.Helper()
	b.pointer("mousePressed", points[0][0], points[0][1])
	for _, p := range points[1:] {
		b.pointer("mouseMoved", p[0], p[1])
	}
}

func (b *tab) lift(x, y int) {
	b.t.Helper()
	b.pointer("mouseReleased", x, y)
	b.waitFor("its stroke is the room's", "__tickhall.idle()")
}

// resize makes the page that of another screen.
func (b *tab) resize(width, height int64) {
	b.t.Helper()
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 2, Mobile: width < 700,
		})
		return err
	}))
}

func TestTwoPagesDrawOnOneWhiteboard(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	url := "http://" + server.address + "/play/whiteboard"
	ada, bob := openTab(t, path, "Ada", url), openTab(t, path, "Bob", url)
	both := []*tab{ada, bob}
	joined := `window.__tickhall && __tickhall.state() === "joined"`
	for _, b := range both {
		b.waitFor("joins", joined)
		js[bool](b, `Boolean(window.__faults = []) && !addEventListener("error", (e) => __faults.push(e.message))`)
	}
	require.Equal(t, js[string](ada, "__tickhall.room()"), js[string](bob, "__tickhall.room()"), "both are at one board")

	ada.stroke([2]int{500, 500}, [2]int{900, 300}, [2]int{1400, 900}, [2]int{2000, 400})
	bob.waitFor("sees the stroke while it is drawn", `__tickhall.strokes().some(s => !s.done && s.points.length >= 8)`)
	bob.waitFor("sees the cursor", `__tickhall.artists().some(a => a.here && Math.abs(a.x - 2000) < 20)`)
	bob.shoot("whiteboard-while")
	ada.pointer("mouseMoved", 2600, 1000)
	ada.lift(2600, 1000)
	bob.waitFor("sees its end", `__tickhall.strokes().every(s => s.done)`)
	ada.waitFor("sees its end", `__tickhall.strokes().every(s => s.done)`)
	require.Equal(t, ada.strokes(), bob.strokes())
	require.InDeltaSlice(t, []int{500, 500}, ada.strokes()[0].Points[:2], 10, "where the mouse was")
	for _, b := range both {
		b.waitFor("has drawn it", `__tickhall.pixel(2600, 1000) === "#1b2030"`)
	}

	bob.run(chromedp.Click(chromedp.CSS(`[aria-label="Red (2)"]`)), chromedp.Click(chromedp.CSS(`[aria-label="Broad"]`)))
	bob.stroke([2]int{600, 1800}, [2]int{1500, 1500}, [2]int{2500, 2000}, [2]int{3300, 1500})
	bob.lift(3300, 1500)
	ada.waitFor("sees the second", `__tickhall.strokes().length === 2 && __tickhall.strokes()[1].colour === 2`)

	// Each takes back its own alone, and who comes late has what is left.
	ada.waitFor("may undo", `!document.getElementById("undo").disabled`)
	ada.run(chromedp.Click(chromedp.CSS("#undo")))
	bob.waitFor("sees it go", `__tickhall.strokes().length === 1 && __tickhall.pixel(2600, 1000) === "#fdfdf8"`)
	ada.waitFor("has nothing to undo, for the other stroke is Bob's", `document.getElementById("undo").disabled`)
	ada.run(chromedp.Click(chromedp.CSS("#redo")))
	bob.waitFor("sees it again, below the other", `__tickhall.strokes().length === 2 && __tickhall.strokes()[0].colour === 1`)
	eve := openTab(t, path, "Eve", url)
	eve.waitFor("has the board", joined+` && __tickhall.strokes().length === 2 && __tickhall.pixel(2600, 1000) === "#1b2030"`)
	require.Equal(t, bob.strokes(), eve.strokes())
	eve.resize(390, 844)
	eve.waitFor("fits the phone", `__tickhall.toPage(4000, 0)[0] < 390 && __tickhall.toPage(4000, 0)[0] > 360 && document.documentElement.scrollWidth <= 390`)
	eve.shoot("whiteboard-phone")

	ada.run(chromedp.Click(chromedp.CSS("#export")))
	ada.waitFor("saves a picture", "__tickhall.saved() > 5000")
	ada.shoot("whiteboard-board")

	server.kill()
	for _, b := range both {
		b.waitFor("says that it is reconnecting", `__tickhall.state() === "reconnecting" && /reconnecting/i.test(document.body.innerText)`)
	}
	ada.shoot("whiteboard-reconnecting")
	server.start()
	for _, b := range both {
		b.waitFor("is back at an empty board", joined+` && __tickhall.strokes().length === 0 && __tickhall.pixel(2600, 1000) === "#fdfdf8"`)
	}

	ada.stroke([2]int{500, 500}, [2]int{900, 300})
	ada.lift(900, 300)
	bob.waitFor("sees the new stroke", `__tickhall.strokes().length === 1`)
	bob.run(chromedp.Click(chromedp.CSS("#clear")), chromedp.WaitVisible(chromedp.CSS("#sure")))
	bob.shoot("whiteboard-clear")
	bob.run(chromedp.Click(chromedp.CSS("#sure")))
	ada.waitFor("sees it cleared, and by whom", `__tickhall.strokes().length === 0 && /has cleared the board/.test(document.getElementById("toast").textContent)`)
	for _, b := range both {
		require.Zero(t, js[int](b, "__tickhall.stats().hashMismatches"), b.name)
		require.Empty(t, js[[]string](b, "__faults"), b.name)
	}
}

// touch has fingers at points of the page.
func (b *tab) touch(kind input.DispatchTouchEventType, points ...[2]float64) {
	b.t.Helper()
	fingers := make([]*input.TouchPoint, len(points))
	for i, p := range points {
		id := float64(i)
		fingers[i] = &input.TouchPoint{X: p[0], Y: p[1], ID: &id}
	}
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: fingers})
		return err
	}))
}

func TestAFingerDrawsAndTwoZoom(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	ada := openTab(t, path, "Ada", "http://"+server.address+"/play/whiteboard")
	ada.waitFor("joins", `window.__tickhall && __tickhall.state() === "joined"`)
	ada.resize(390, 844)
	ada.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: true})
		return err
	}))
	ada.waitFor("fits the phone", `__tickhall.toPage(4000, 0)[0] < 390`)
	ada.touch("touchStart", [2]float64{50, 400})
	for i := range 20 {
		ada.touch("touchMove", [2]float64{50 + float64(i)*14, 400 + float64(i%5)*12})
	}
	ada.touch("touchEnd")
	ada.waitFor("has drawn", `__tickhall.strokes().length === 1 && __tickhall.strokes()[0].points.length > 10 && __tickhall.idle()`)
	ada.run(chromedp.Click(chromedp.CSS(`[aria-label="Eraser (E)"]`)))
	ada.touch("touchStart", [2]float64{195, 350})
	ada.touch("touchMove", [2]float64{195, 400})
	ada.touch("touchMove", [2]float64{195, 450})
	ada.touch("touchEnd")
	ada.waitFor("has wiped", `__tickhall.strokes().length === 2 && __tickhall.strokes()[1].colour === 0 && __tickhall.idle()`)

	const width = "__tickhall.toPage(4000, 0)[0] - __tickhall.toPage(0, 0)[0]"
	before := js[float64](ada, width)
	ada.touch("touchStart", [2]float64{150, 400})
	ada.touch("touchStart", [2]float64{150, 400}, [2]float64{250, 420})
	ada.touch("touchMove", [2]float64{100, 400}, [2]float64{300, 420})
	ada.touch("touchEnd")
	require.InDelta(t, 2, js[float64](ada, width)/before, 0.2)
	ada.waitFor("the first finger's stroke is gone", `__tickhall.strokes().length === 2 && __tickhall.idle()`)
	ada.shoot("whiteboard-pinched")
	ada.run(chromedp.Click(chromedp.CSS("#fit")))
	require.InDelta(t, before, js[float64](ada, width), 1)
	ada.run(chromedp.Click(chromedp.CSS("#fit")))
	require.Greater(t, js[float64](ada, width), 2*before, "as large as fills a phone")
}
