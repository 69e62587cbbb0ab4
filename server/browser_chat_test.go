package main

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// conversation is a channel as a page has it.
type conversation struct {
	Topic  string   `json:"topic"`
	Room   string   `json:"room"`
	Unread int      `json:"unread"`
	People []string `json:"people"`
	Lines  []string `json:"lines"`
}

func (b *tab) channel(topic string) conversation {
	b.t.Helper()
	return js[conversation](b, inChannel(topic, "c"))
}

// inChannel is an expression over the channel c.
func inChannel(topic, expression string) string {
	return fmt.Sprintf("((c) => %s)(__tickhall.channels().find(c => c.topic === %q) ?? {lines: [], people: [], typing: []})", expression, topic)
}

// write writes into the field for messages, as somebody at a keyboard does.
func (b *tab) write(text string) {
	b.t.Helper()
	b.run(chromedp.SendKeys(chromedp.CSS("#text"), text))
}

func (b *tab) openConversation(key string) {
	b.t.Helper()
	b.run(chromedp.Click(chromedp.CSS(fmt.Sprintf("[data-key=%q]", key))))
	b.waitFor("opens "+key, fmt.Sprintf("__tickhall.current() === %q", key))
}

func TestTwoPagesChatInSeveralChannels(t *testing.T) {
	path := browser(t)
	server := startProcess(t)
	home, url := "http://"+server.address+"/", "http://"+server.address+"/play/chat"
	named := func(name string) *tab {
		b := openTab(t, path, name, home)
		b.run(chromedp.SendKeys(chromedp.CSS("input"), name), chromedp.Navigate(url))
		return b
	}
	joined := `window.__tickhall && __tickhall.channels().length >= 3 && __tickhall.channels().every(c => c.state === "joined")`
	ada := named("Ada")
	ada.waitFor("is in all channels", joined)
	bob := named("Bob")
	bob.waitFor("is in all channels", joined)
	both := []*tab{ada, bob}
	for _, b := range both {
		js[bool](b, `Boolean(window.__faults = []) && !addEventListener("error", (e) => __faults.push(e.message))`)
	}
	for _, topic := range []string{"general", "random", "help"} {
		require.Equal(t, ada.channel(topic).Room, bob.channel(topic).Room, topic)
		ada.waitFor("sees who is in "+topic, inChannel(topic, `c.people.join() === "Ada,Bob"`))
	}
	require.NotEqual(t, ada.channel("general").Room, ada.channel("help").Room, "each channel is a room")

	// A line, while it is written and after.
	ada.write("Hello <b>all</b> 👋 ")
	bob.waitFor("sees who is typing", `/Ada is typing/.test(document.getElementById("typing").textContent)`)
	bob.shoot("chat-typing")
	ada.write("\r")
	bob.waitFor("reads the line as text", `document.querySelector("#lines .text")?.textContent === "Hello <b>all</b> 👋" && !document.querySelector("#lines b")`)
	bob.waitFor("nobody is typing", `document.getElementById("typing").textContent === ""`)

	// Addresses of pages lead there, and nothing else does.
	js[bool](bob, `Boolean(import("/assets/chat/log.js").then(({ linked }) => (window.links = linked("Come (http://a.example/x?y=1#z), or https://b.example. Not javascript:alert(1), http:// or <b>").map((p) => p.href ?? p))))`)
	bob.waitFor("finds the addresses", `JSON.stringify(window.links) === JSON.stringify(["Come (", "http://a.example/x?y=1#z", "), or ", "https://b.example/", ". Not javascript:alert(1), http:// or <b>"])`)

	// What is said elsewhere is counted until it is read.
	bob.openConversation("#random")
	for _, text := range []string{"one", "two"} {
		ada.write(text + "\r")
		bob.waitFor("counts it", inChannel("general", fmt.Sprintf(`c.lines.at(-1) === "Ada: %s"`, text)))
	}
	require.Equal(t, 2, bob.channel("general").Unread)
	bob.openConversation("#general")
	require.Zero(t, bob.channel("general").Unread)
	bob.write("Nice to meet you\r")
	ada.waitFor("reads the answer", inChannel("general", `c.lines.at(-1) === "Bob: Nice to meet you"`))

	// A direct message is read by the other alone, once, though both share three rooms.
	bobID, adaID := js[string](bob, "__tickhall.user()"), js[string](ada, "__tickhall.user()")
	require.NotEqual(t, adaID, bobID)
	ada.run(chromedp.Click(chromedp.CSS(`#people [title="Write to Bob"]`)))
	ada.waitFor("writes to Bob", fmt.Sprintf("__tickhall.current() === %q", "@"+bobID))
	ada.write("Just between us\r")
	for _, b := range both {
		b.waitFor("has the letter", `__tickhall.directs()[0]?.lines.join() === "Ada: Just between us"`)
	}
	require.Equal(t, 1, js[int](bob, "__tickhall.directs()[0].unread"))
	bob.openConversation("@" + adaID)
	bob.write("Psst\r")
	ada.waitFor("has the answer", `__tickhall.directs()[0].lines.at(-1) === "Bob: Psst"`)
	bob.shoot("chat-direct")

	// Who comes late reads what was said, in a channel of one's own too.
	ada.run(chromedp.SendKeys(chromedp.CSS("#topic"), "Book Club\r"))
	ada.waitFor("opens its own channel", `__tickhall.current() === "#book-club" && `+inChannel("book-club", `c.state === "joined"`))
	ada.write("Chapter one?\r")
	ada.waitFor("has said it", inChannel("book-club", "c.lines.length === 1"))
	eve := named("Eve")
	eve.waitFor("is in", joined)
	eve.run(chromedp.SendKeys(chromedp.CSS("#topic"), "book-club\r"))
	eve.waitFor("has the history", inChannel("book-club", `c.lines.join() === "Ada: Chapter one?"`))
	require.Len(t, eve.channel("general").Lines, 4)
	require.Empty(t, js[[]any](eve, "__tickhall.directs()"))

	// Too fast, and too long: the writer is told and keeps the text.
	// By the page itself: typed through the browser, they might come slowly enough on a busy machine.
	js[bool](eve, `(() => {
		const text = document.getElementById("text");
		for (let i = 0; i < 10; i++) {
			text.value = "spam";
			document.getElementById("compose").requestSubmit();
		}
		return true;
	})()`)
	eve.waitFor("is told to wait", `/faster than anybody reads/.test(document.getElementById("fault").textContent)`)
	eve.shoot("chat-fault")
	js[bool](eve, `Boolean(document.getElementById("text").value = "é".repeat(501))`)
	eve.write("\r")
	eve.waitFor("is told how long it is", `/500 fit/.test(document.getElementById("fault").textContent) && document.getElementById("text").value.length === 501`)
	eve.openConversation("#general")
	eve.resize(390, 844)
	eve.waitFor("fits the phone", `document.documentElement.scrollWidth <= 390 && document.getElementById("side").getBoundingClientRect().right <= 0`)
	eve.shoot("chat-phone")
	eve.run(chromedp.Click(chromedp.CSS("#menu")))
	eve.waitFor("shows the list", `document.getElementById("menu").getAttribute("aria-expanded") === "true"`)
	eve.waitFor("has slid in", `document.getElementById("side").getBoundingClientRect().left === 0`)
	eve.shoot("chat-phone-list")

	// A reader of older lines is not moved, and told that there are new ones.
	ada.openConversation("#general")
	bob.openConversation("#general")
	for _, text := range []string{"There is a lot to say", "About many things", "Of which this is one", "And this another"} {
		bob.write(text + "\r")
	}
	ada.waitFor("reads them all", inChannel("general", `c.lines.length === 8`))
	ada.resize(900, 300)
	ada.waitFor("stays at the end", `innerHeight === 300 && document.getElementById("scroll").clientHeight < 200 && ((e) => e.scrollTop > 80 && e.scrollHeight - e.scrollTop - e.clientHeight < 2)(document.getElementById("scroll"))`)
	js[bool](ada, `!(document.getElementById("scroll").scrollTop = 0)`)
	ada.waitFor("is at the top", `document.getElementById("scroll").scrollTop === 0`)
	bob.write("Still there?\r")
	ada.waitFor("is told of new lines", `document.getElementById("pill").textContent === "1 new message ↓" && !document.getElementById("pill").hidden`)
	ada.shoot("chat-pill")
	ada.run(chromedp.Click(chromedp.CSS("#pill")))
	ada.waitFor("is at the end", `document.getElementById("pill").hidden && document.getElementById("scroll").scrollTop > 0`)
	ada.resize(1280, 800)
	ada.shoot("chat-channel")

	server.kill()
	for _, b := range both {
		b.waitFor("says that it is reconnecting", `/reconnecting/i.test(document.getElementById("banner").innerText)`)
	}
	ada.shoot("chat-reconnecting")
	server.start()
	for _, b := range both {
		b.waitFor("is back", joined+` && document.getElementById("banner").hidden`)
	}
	// The new server knows neither, and each is one user in all channels all the same: the other finds them there.
	for _, b := range both {
		require.Len(t, js[[]string](b, "[...new Set(__tickhall.users())]"), 1, b.name)
	}
	ada.write("Back again\r")
	ada.waitFor("can talk again", inChannel("general", `c.lines.at(-1) === "Ada: Back again"`))
	for _, b := range both {
		require.Empty(t, js[[]string](b, "__faults"), b.name)
		for topic, n := range js[map[string]int](b, "__tickhall.mismatches()") {
			require.Zero(t, n, "%s in %s", b.name, topic)
		}
	}
}
