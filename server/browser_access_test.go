package main

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// prefers has the browser tell pages what its reader prefers.
func (b *tab) prefers(scheme, motion string) {
	b.t.Helper()
	b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion},
		}})
		return err
	}))
}

// audit lists what is wrong with a page for who uses the keyboard, a screen reader or a thumb.
const audit = `(() => {
	const faults = [], all = (what) => [...document.querySelectorAll(what)], seen = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true });
	const name = (e) => (e.getAttribute("aria-label") ?? "") + (e.getAttribute("aria-labelledby") ?? "") + e.textContent.trim() + [...(e.labels ?? [])].map((l) => l.textContent).join("") + [...e.querySelectorAll("img")].map((i) => i.alt).join("");
	if (all("h1").length !== 1) faults.push("h1: " + all("h1").length);
	if (all("main:not([role])").filter(seen).length !== 1) faults.push("main: " + all("main:not([role])").filter(seen).length);
	let level = 0;
	for (const h of all("h1, h2, h3").filter((e) => !e.closest("dialog, aside") && e.checkVisibility())) {
		if (Number(h.tagName[1]) > level + 1) faults.push("heading after h" + level + ": " + h.outerHTML);
		level = Math.max(level, Number(h.tagName[1]));
	}
	for (const e of all("button, a[href], input, select, [role=radio]").filter(seen)) {
		if (!name(e)) faults.push("no name: " + e.outerHTML);
		if (getComputedStyle(e).display === "inline" || e.matches(".lines .name")) continue; // in a text
		const box = (e.type === "checkbox" ? e.closest("label") : e).getBoundingClientRect();
		if (box.width < 43.9 || box.height < 43.9) faults.push(Math.round(box.width) + "x" + Math.round(box.height) + ": " + e.outerHTML.slice(0, 120));
	}
	for (const e of all("[role=status], [role=alert], [role=log], [aria-live]")) {
		const copy = e.cloneNode(true);
		for (const hidden of copy.querySelectorAll("[aria-hidden=true]")) hidden.remove();
		if (/\b\d+ s\b|\bBack in \d/.test(copy.textContent)) faults.push("read out each second: " + e.outerHTML);
	}
	if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the screen: " + document.documentElement.scrollWidth);
	return faults;
})()`

func TestPagesServeWhoPlaysOtherwise(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	b := openTab(t, path, "Access", "http://"+server.address+"/")
	for _, c := range []struct{ page, ready string }{
		{"/", `document.querySelector(".live, [data-count]")`},
		{"/nowhere", `document.querySelector(".missing")`},
		{"/play/chat", inChat},
		{"/play/whiteboard", `window.__tickhall?.state() === "joined"`},
		{"/play/feed", `window.__tickhall?.quotes().length > 0`},
		{"/play/devices?device=lamp-1", `window.__tickhall?.role() === "lamp-1"`},
		{"/play/devices", `window.__tickhall?.role() === "operator" && __tickhall.devices().length > 0`},
		{"/play/arena", inArena},
	} {
		b.run(chromedp.Navigate("http://" + server.address + c.page))
		b.waitFor("is ready: "+c.page, c.ready)
		for _, width := range []int64{390, 1280} {
			b.resize(width, 844)
			require.Empty(t, js[[]string](b, audit), "%s, %d wide", c.page, width)
		}
		ground := `getComputedStyle(document.documentElement).backgroundColor`
		b.prefers("dark", "no-preference")
		dark := js[string](b, ground)
		b.prefers("light", "reduce")
		require.NotEqual(t, dark, js[string](b, ground), c.page)
		require.False(t, js[bool](b, `document.getAnimations().some((a) => a instanceof CSSAnimation && a.playState === "running" && getComputedStyle(a.effect.target).visibility !== "hidden")`), c.page)
	}

	// The arena by keys alone. The page of before had Tab stay on the canvas.
	b.waitFor("the canvas has the focus", `document.activeElement === document.getElementById("stage")`)
	b.run(key("keyDown", "q"))
	b.waitFor("shows all scores", `document.getElementById("board").classList.contains("all")`)
	b.run(key("keyUp", "q"))
	b.waitFor("shows the best", `!document.getElementById("board").classList.contains("all")`)
	for _, way := range []string{"l", "j"} {
		js[bool](b, `Boolean(window.aim = __tickhall.wish().aim + 0.5)`)
		b.run(key("keyDown", way))
		b.waitFor("turns", `((by) => Math.min(by, 256 - by) > 20)(Math.abs(__tickhall.wish().aim - aim))`)
		b.run(key("keyUp", way))
	}
	b.run(chromedp.KeyEvent(" "), chromedp.KeyEvent("\t"))
	b.waitFor("Tab leads on", `document.activeElement.id === "scores-button"`)

	// Messages stand over nothing that must be seen, on a phone either.
	for _, size := range [][2]int64{{390, 844}, {844, 390}, {1280, 800}} {
		b.resize(size[0], size[1])
		js[bool](b, `import("/assets/page.js").then((m) => m.announce("A message of the operator that is as long as they come, and says that all will be well in a minute or two.")) && true`)
		b.waitFor("has a message", `document.querySelector(".note.announcement")`)
		over := js[[]string](b, `((box) => ["#board", "#clock", ".tools", "#map", ".vitals"].filter((what) => {
			const r = document.querySelector(what).getBoundingClientRect();
			return r.width > 0 && r.left < box.right && box.left < r.right && r.top < box.bottom && box.top < r.bottom;
		}))(document.getElementById("messages").getBoundingClientRect())`)
		require.Empty(t, over, "%v", size)
		require.NotEqual(t, "rgba(0, 0, 0, 0)", js[string](b, `getComputedStyle(document.querySelector(".note")).backgroundColor`))
	}

	js[bool](b, `Boolean(Object.defineProperty(document, "hidden", { get: () => true })) && document.dispatchEvent(new Event("visibilitychange"))`)
	require.True(t, js[bool](b, `__tickhall.wish().away`), "the rules hear that nobody looks")

	b.run(chromedp.Navigate("http://" + server.address + "/play/arena?watch"))
	b.waitFor("has nobody to watch, or somebody", `document.getElementById("cover").open || window.__tickhall?.state() === "joined"`)
}
