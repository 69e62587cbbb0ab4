package room

import (
	"maps"
	"slices"

	"github.com/tickhall/tickhall/protocol"
	"github.com/tickhall/tickhall/protocol/body"
)

// Interface lists what clients of the room can send and get, as the game has registered it in New.
func (r *Room) Interface() *protocol.Interface {
	c := r.core
	i := &protocol.Interface{
		Rate: c.spec.TickRate, OnDemand: c.spec.OnDemand, Inputs: append([]protocol.Field{}, c.spec.Inputs...),
		Messages: []protocol.MessageType{}, Events: []protocol.EventType{}, Tables: []protocol.TableType{},
	}
	for _, name := range slices.Sorted(maps.Keys(c.handlers)) {
		h := c.handlers[name]
		i.Messages = append(i.Messages, protocol.MessageType{Name: name, Request: h.request.String(), Reply: body.NameOf(h.reply)})
	}
	for _, name := range slices.Sorted(maps.Keys(c.events)) {
		i.Events = append(i.Events, protocol.EventType{Name: name, Body: body.NameOf(c.events[name])})
	}
	for _, t := range c.world.Schema().Tables {
		table := protocol.TableType{Name: t.Name, Fields: []protocol.TableField{}}
		for _, f := range t.Fields {
			field := protocol.TableField{Name: f.Name, Type: f.Type.String(), Owner: f.Owner}
			if f.Rate >= 0 {
				field.Rate = t.Fields[f.Rate].Name
			}
			table.Fields = append(table.Fields, field)
		}
		i.Tables = append(i.Tables, table)
	}
	return i
}
