package room_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/room"
	"github.com/tickhall/tickhall/room/roomtest"
)

type card struct {
	Suit string `msgpack:"suit"`
	Rank uint8  `msgpack:"rank"`
}

type hand struct {
	Size  int8    `sync:"size"`
	X     float32 `sync:"x,step=1/8,rate=vx"`
	VX    float32 `sync:"vx,step=1"`
	Cards string  `sync:"cards,owner"`
}

func dealer(dealt *room.Event[card]) room.Kind[wheel] {
	return room.Kind[wheel]{Name: "dealer", TickRate: 10, OnDemand: true, New: func(s *room.Setup) (room.Game[wheel], error) {
		room.Table[hand](s, "hand")
		*dealt = room.NewEvent[card](s, "dealt")
		room.NewEvent[map[string]any](s, "anything")
		room.Handle(s, "draw", func(t *room.Tick, p *room.Player, n int) ([]card, error) {
			dealt.Broadcast(t, card{"hearts", uint8(n)})
			dealt.Send(t, card{"spades", uint8(n)}, p)
			dealt.SendUser(t, "user-Eve", card{"clubs", uint8(n)})
			dealt.SendRoom(t, "other", card{"clubs", uint8(n)})
			return nil, nil
		})
		return steering{new(rig)}, nil
	}}
}

func TestInterfaceTellsWhatClientsSendAndGet(t *testing.T) {
	r, err := room.New(dealer(new(room.Event[card])), room.Config{ID: "r1"})
	require.NoError(t, err)
	require.Equal(t, &protocol.Interface{
		Rate: 10, OnDemand: true,
		Inputs:   []protocol.Field{{Name: "x", Type: "int8"}},
		Messages: []protocol.MessageType{{Name: "draw", Request: "int64", Reply: "[]{suit:string,rank:uint8}"}},
		Events:   []protocol.EventType{{Name: "anything", Body: "any"}, {Name: "dealt", Body: "{suit:string,rank:uint8}"}},
		Tables: []protocol.TableType{{Name: "hand", Fields: []protocol.TableField{
			{Name: "size", Type: "int"}, {Name: "x", Type: "float", Rate: "vx"}, {Name: "vx", Type: "float"}, {Name: "cards", Type: "string", Owner: true},
		}}},
	}, r.Interface())
}

func TestDeclaredEventsReachWhomTheyAreFor(t *testing.T) {
	r := roomtest.New(t, dealer(new(room.Event[card])))
	ada, bob := r.Join("Ada"), r.Join("Bob")
	require.NoError(t, ada.Call("draw", 7, nil))
	require.Equal(t, []card{{"hearts", 7}, {"spades", 7}}, roomtest.Events[card](ada, "dealt"))
	require.Equal(t, []card{{"hearts", 7}}, roomtest.Events[card](bob, "dealt"))
	require.Equal(t, []card{{"clubs", 7}}, roomtest.Letters[card](r, "user-Eve", "dealt"))
	require.Equal(t, []card{{"clubs", 7}}, roomtest.Letters[card](r, "other", "dealt"))
}

func TestAnEventIsDeclaredOnce(t *testing.T) {
	for name, want := range map[string]string{"twice": "taken", "": "empty"} {
		_, err := room.New(kind(func(s *room.Setup) room.Game[struct{}] {
			room.NewEvent[int](s, "twice")
			room.NewEvent[string](s, name)
			return new(rig)
		}), room.Config{ID: "r1"})
		require.ErrorContains(t, err, want)
	}
}
