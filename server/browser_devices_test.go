package main

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// outcomes is what the operator's page was told, as "answer pong, timeout ".
const outcomes = `__tickhall.outcomes().map(o => o.name + " " + o.body.result).join(", ")`

func TestAnOperatorCommandsADeviceInAnotherPage(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	page := "http://" + server.address + "/play/devices"
	op := openTab(t, path, "Operator", page)
	op.waitFor("is an operator", `window.__tickhall && __tickhall.role() === "operator"`)
	op.waitFor("says that there is nothing", `document.querySelector("#none").checkVisibility()`)
	op.shoot("empty")

	lamp := openTab(t, path, "Device", page+"?device=lamp-1")
	lamp.waitFor("is registered", `window.__tickhall && __tickhall.role() === "lamp-1"`)
	require.Equal(t, js[string](op, "__tickhall.room()"), js[string](lamp, "__tickhall.room()"))
	op.waitFor("sees it online", `__tickhall.devices()[0]?.state === 1 && __tickhall.devices()[0].reports > 0`)
	require.Zero(t, js[int](lamp, "__tickhall.commands().length"))

	js[bool](lamp, `(() => { const s = document.querySelector("#temperature"); s.value = 63.5; return s.dispatchEvent(new Event("input")); })()`)
	op.waitFor("sees the temperature", `__tickhall.devices()[0].temperature === 63.5 && document.querySelector("#devices").innerText.includes("63.5 °C")`)

	op.run(chromedp.Click(chromedp.CSS(`[data-command="ping"]`)))
	op.waitFor("gets the answer", outcomes+` === "answer pong"`)
	op.run(chromedp.Click(chromedp.CSS(`[data-args="on"]`)))
	op.waitFor("sees the light", `__tickhall.devices()[0].light`)
	lamp.waitFor("shines", `document.querySelector("#lamp.on")`)
	op.run(chromedp.SendKeys(chromedp.CSS("#name"), "dance"), chromedp.Click(chromedp.CSS("#custom button")))
	op.waitFor("is refused", `/refused/.test(document.querySelector("#outcome").innerText)`)
	lamp.shoot("lit")

	lamp.run(chromedp.Click(chromedp.CSS("#deaf")))
	op.run(chromedp.Click(chromedp.CSS(`[data-command="ping"]`)))
	op.waitFor("shows it as waiting", `document.querySelector("#log .waiting")`)
	second := openTab(t, path, "Second", page+"?device=valve-7")
	second.waitFor("is registered", `window.__tickhall && __tickhall.role() === "valve-7"`)
	taken := openTab(t, path, "Taken", page+"?device=valve-7")
	op.waitFor("is told of the time-out", outcomes+`.endsWith("timeout ")`)
	op.waitFor("shows it", `/did not answer/.test(document.querySelector("#outcome").innerText) && document.querySelector("#log .timeout")`)
	op.shoot("commands")
	taken.waitFor("is refused an id in use", `/id is connected/.test(document.querySelector("#banner").innerText)`)
	taken.shoot("refused")

	lamp.run(chromedp.Click(chromedp.CSS("#deaf")))
	op.run(chromedp.Click(chromedp.CSS(`[data-command="reboot"]`)))
	op.waitFor("hears when it is up again", outcomes+`.endsWith("answer up again")`)
	require.NoError(t, chromedp.Cancel(second.ctx))
	op.waitFor("sees the other one go", `__tickhall.devices().find(d => d.device === "valve-7").state === 2`)
	op.phone()
	op.shoot("phone")
	op.fits()
	lamp.phone()
	lamp.fits()
	lamp.shoot("phone")
	lamp.run(chromedp.Reload())
	lamp.waitFor("is the same device after a reload", `window.__tickhall && __tickhall.role() === "lamp-1"`)
	require.Equal(t, 2, js[int](op, "__tickhall.devices().length"))
	lamp.run(chromedp.Navigate("http://" + server.address + "/"))
	op.waitFor("sees that the page was left", `__tickhall.devices().find(d => d.device === "lamp-1").state !== 1`)
	lamp.run(chromedp.NavigateBack())
	lamp.waitFor("is the device again", `window.__tickhall && __tickhall.role() === "lamp-1"`)

	server.kill()
	op.waitFor("says that it is reconnecting", `/reconnecting/i.test(document.querySelector("#banner").innerText)`)
	server.start()
	op.waitFor("is an operator again", `__tickhall.state() === "joined" && __tickhall.role() === "operator"`)
	op.waitFor("the device has registered again", `__tickhall.devices().length === 1 && __tickhall.devices()[0].state === 1`)
	require.Zero(t, js[int](op, "__tickhall.stats().hashMismatches"))
}
