package state

import (
	"iter"

	"github.com/tickhall/tickhall/protocol/wire"
)

// STUB of the agreed API: the implementation replaces this file.

type ID uint32

type Type uint8

const (
	Int Type = iota
	Bool
	Float
	Angle
	String
)

type Field struct {
	Name     string
	Type     Type
	Num, Den uint32
	Rate     int
	Owner    bool
}
type TableSchema struct {
	Name   string
	Fields []Field
}
type Schema struct{ Tables []TableSchema }

func (s *Schema) Append(b []byte) []byte         { panic("stub") }
func (s *Schema) Hash() string                   { panic("stub") }
func ReadSchema(r *wire.Reader) (*Schema, error) { panic("stub") }

type World struct{}

func NewWorld(rate int) *World                                                { panic("stub") }
func (w *World) Schema() *Schema                                              { panic("stub") }
func (w *World) Snapshot(tick uint32)                                         { panic("stub") }
func (w *World) Tick() uint32                                                 { panic("stub") }
func (w *World) Checksum() uint32                                             { panic("stub") }
func (w *World) NewView(owner uint32, sees func(table int, id ID) bool) *View { panic("stub") }

type Table[T any] struct{}

func NewTable[T any](w *World, name string) *Table[T] { panic("stub") }
func (t *Table[T]) Add(owner uint32) (ID, *T)         { panic("stub") }
func (t *Table[T]) Get(id ID) *T                      { panic("stub") }
func (t *Table[T]) Remove(id ID) bool                 { panic("stub") }
func (t *Table[T]) Owner(id ID) uint32                { panic("stub") }
func (t *Table[T]) Len() int                          { panic("stub") }
func (t *Table[T]) All() iter.Seq2[ID, *T]            { panic("stub") }
func (t *Table[T]) Index() int                        { panic("stub") }

type View struct{}

func (v *View) Base() uint32                                           { panic("stub") }
func (v *View) Rewind(tick uint32) bool                                { panic("stub") }
func (v *View) Next() (snapshot []byte, key bool)                      { panic("stub") }
func (v *View) AppendOwn(b []byte, lastInput uint32, slack int) []byte { panic("stub") }
func (v *View) Checksum() uint32                                       { panic("stub") }

type What uint8

const (
	Entered What = iota + 1
	Changed
	Left
)

type Change struct {
	Table int
	ID    ID
	What  What
}

type Replica struct{}

func NewReplica(s *Schema, rate int) (*Replica, error)                                 { panic("stub") }
func (r *Replica) Schema() *Schema                                                     { panic("stub") }
func (r *Replica) Observe(f func(Change))                                              { panic("stub") }
func (r *Replica) Key(rd *wire.Reader, n int) error                                    { panic("stub") }
func (r *Replica) Delta(rd *wire.Reader, n int) error                                  { panic("stub") }
func (r *Replica) Own(rd *wire.Reader, n int) (lastInput uint32, slack int, err error) { panic("stub") }
func (r *Replica) Tick() uint32                                                        { panic("stub") }
func (r *Replica) Checksum() uint32                                                    { panic("stub") }
func (r *Replica) Mine(table int, id ID) bool                                          { panic("stub") }

type Copy[T any] struct{}

func Bind[T any](r *Replica, name string) (*Copy[T], error) { panic("stub") }
func (c *Copy[T]) Get(id ID) (T, bool)                      { panic("stub") }
func (c *Copy[T]) Len() int                                 { panic("stub") }
func (c *Copy[T]) All() iter.Seq2[ID, T]                    { panic("stub") }
func (c *Copy[T]) Mine(id ID) bool                          { panic("stub") }
func (c *Copy[T]) Index() int                               { panic("stub") }
