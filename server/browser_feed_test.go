package main

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// phone gives the page the size of a telephone's screen.
func (b *tab) phone() {
	b.t.Helper()
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: 390, Height: 844, DeviceScaleFactor: 2, Mobile: true,
		})
		return err
	}))
}

// fits fails if something makes the page wider than its screen.
func (b *tab) fits() {
	b.t.Helper()
	require.LessOrEqual(b.t, js[int](b, "document.documentElement.scrollWidth"), js[int](b, "innerWidth"), b.name)
}

const numbersOfNotices = `__tickhall.notices().map(n => n.number).join()`

func TestTwoPagesReadOneFeed(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	// An outage early, so that the test sees one.
	ada := openTab(t, path, "Feed", "http://"+server.address+"/play/feed?outage_every=12")
	quotes := `window.__tickhall && __tickhall.state() === "joined" && __tickhall.quotes().length > 20`
	ada.waitFor("has the prices", quotes)
	ada.waitFor("says that they are live", `/live/i.test(document.querySelector("#line").innerText)`)
	ada.waitFor("prices change", `__tickhall.flashes() > 50`)
	ada.waitFor("a history grows", `__tickhall.points() > 24 * 3`)
	ada.waitFor("a notice has come", `__tickhall.notices().length > 0 && document.querySelectorAll("#notices li").length > 0`)

	bob := openTab(t, path, "Feed-late", "http://"+server.address+"/play/feed")
	bob.waitFor("has the prices", quotes)
	require.Equal(t, js[string](ada, "__tickhall.room()"), js[string](bob, "__tickhall.room()"), "both read one room")
	require.GreaterOrEqual(t, js[int](bob, "__tickhall.points()"), 24*3, "who comes late has the history")
	bob.phone()
	ada.waitFor("its figures stand", `document.querySelector("#out").innerText.includes("/s")`)
	ada.shoot("live")

	for _, b := range []*tab{ada, bob} {
		b.waitFor("is told that the source is down", `__tickhall.line().state === 3 && /source is down/i.test(document.querySelector("#line").innerText)`)
	}
	ada.shoot("down")
	bob.fits()
	bob.shoot("down")
	before := js[int](ada, "__tickhall.flashes()")
	ada.waitFor("the source is back", `__tickhall.line().state === 1`)
	ada.waitFor("prices change again", `__tickhall.flashes() > `+js[string](ada, "String(__tickhall.flashes())"))
	require.GreaterOrEqual(t, js[int](ada, "__tickhall.flashes()"), before)

	bob.waitFor("has unread notices", `__tickhall.unread() > 0`)
	bob.shoot("prices")
	bob.run(chromedp.Click(chromedp.CSS("#show-notices")))
	bob.waitFor("shows them", `document.querySelector("#notices li").checkVisibility()`)
	bob.shoot("notices")
	bob.fits()
	// At once, for the next notice may come at any time.
	require.Zero(t, js[int](bob, `(document.getElementById("show-prices").click(), __tickhall.unread())`))

	ada.run(chromedp.Click(chromedp.CSS(`[data-sort="percent"]`)))
	ada.waitFor("sorts by change", `document.querySelector("th[aria-sort]").innerText.includes("Change")`)
	ada.shoot("sorted")
	eventually(t, "both have the same notices", func() bool {
		return js[string](ada, numbersOfNotices) == js[string](bob, numbersOfNotices)
	})
	for _, b := range []*tab{ada, bob} {
		require.Zero(t, js[int](b, "__tickhall.gaps()"), b.name)
		require.Zero(t, js[int](b, "__tickhall.stats().hashMismatches"), b.name)
	}
	server.kill()
	ada.waitFor("says that it is reconnecting", `/reconnecting/i.test(document.querySelector("#banner").innerText)`)
	ada.shoot("reconnecting")
	server.start()
	ada.waitFor("is back", quotes+` && __tickhall.line().state === 1`)
	require.Zero(t, js[int](ada, "__tickhall.gaps()"), "another room begins anew")
}
