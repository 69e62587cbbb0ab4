package state

import (
	"math/bits"
	"slices"

	"github.com/tickhall/tickhall/protocol/wire"
)

// rows are entities by ascending id, each with the values of its shared fields.
type rows struct {
	ids     []ID
	numbers []int64  // of a row, one after another; 0 for a string
	texts   []string // of a row, its string fields
	marks   []uint32 // epoch in which a message last named the row
	mine    []int32  // 1 + index of the owner fields' values, 0 if not the player's own
}

func (r *rows) reset() {
	clear(r.texts)
	r.ids, r.numbers, r.texts, r.marks, r.mine = r.ids[:0], r.numbers[:0], r.texts[:0], r.marks[:0], r.mine[:0]
}

// replicaTable is one table of a Replica.
type replicaTable struct {
	fields    []replicaField
	shared    []int // field indices
	owner     []int
	predicted []int // shared ones with a rate, by shared index
	numbers   int   // shared fields that are not strings, per row
	texts     int   // and those that are
	ownNumber int   // the same of the owner fields
	ownText   int

	rows
	incoming rows // scratch: what a message brings

	// Values of the owner fields of the player's own entities, where mine points.
	ownNumbers []int64
	ownTexts   []string
	owned      int32
	free       []int32
}

// replicaField tells where a field's values are, and what they can be.
type replicaField struct {
	typ     Type
	owner   bool
	at      int   // place among the row's numbers, or among its texts
	turn    int64 // of an angle
	rate    int   // field index, or -1
	predict predictor
}

func (t *replicaTable) init(s *TableSchema, predict []predictor) {
	t.shared, t.owner = s.indices()
	t.fields = make([]replicaField, len(s.Fields))
	for i := range s.Fields {
		f := &s.Fields[i]
		next := &t.numbers
		switch {
		case f.Owner && f.Type == String:
			next = &t.ownText
		case f.Owner:
			next = &t.ownNumber
		case f.Type == String:
			next = &t.texts
		}
		t.fields[i] = replicaField{f.Type, f.Owner, *next, int64(f.Den), f.Rate, predict[i]}
		*next++
	}
	for i, f := range t.shared {
		if t.fields[f].rate >= 0 {
			t.predicted = append(t.predicted, i)
		}
	}
}

// allows reports whether v is in the range that the protocol documents for the field.
func (f *replicaField) allows(v int64) bool {
	switch f.typ {
	case Bool:
		return v == 0 || v == 1
	case Float:
		return v >= -MaxFloat && v <= MaxFloat
	case Angle:
		return v >= 0 && v < f.turn
	}
	return v >= -MaxInt && v <= MaxInt
}

func (f *replicaField) readNumber(rd *wire.Reader) int64 {
	v := rd.Int()
	if !f.allows(v) {
		rd.Fail(wire.ErrRange)
	}
	return v
}

func readText(rd *wire.Reader) []byte {
	b := rd.String()
	if len(b) > MaxString {
		rd.Fail(wire.ErrLength)
	}
	return b
}

func (t *replicaTable) rowNumbers(r *rows, row int) []int64 {
	return r.numbers[row*t.numbers : (row+1)*t.numbers]
}

func (t *replicaTable) rowTexts(r *rows, row int) []string {
	return r.texts[row*t.texts : (row+1)*t.texts]
}

// find returns the row of id, or where it would be. hint is where to look first.
func (t *replicaTable) find(id ID, hint int) (row int, ok bool) {
	if hint < len(t.ids) && t.ids[hint] == id {
		return hint, true
	}
	return slices.BinarySearch(t.ids, id)
}

func (t *replicaTable) number(row int, f *replicaField) int64 {
	switch {
	case !f.owner:
		return t.rows.numbers[row*t.numbers+f.at]
	case t.mine[row] == 0:
		return 0
	}
	return t.ownNumbers[int(t.mine[row]-1)*t.ownNumber+f.at]
}

func (t *replicaTable) text(row int, f *replicaField) string {
	switch {
	case !f.owner:
		return t.rows.texts[row*t.texts+f.at]
	case t.mine[row] == 0:
		return ""
	}
	return t.ownTexts[int(t.mine[row]-1)*t.ownText+f.at]
}

func (t *replicaTable) hash(h *hasher, row int, f *replicaField) {
	if f.typ == String {
		h.text(t.text(row, f))
	} else {
		h.number(t.number(row, f))
	}
}

// readRecords reads an array of records as in KEY, adds them to incoming, and sorts that.
func (t *replicaTable) readRecords(rd *wire.Reader) {
	r := &t.incoming
	n := rd.Array()
	if n%(1+len(t.shared)) != 0 {
		rd.Fail(wire.ErrLength)
	}
	if rd.Err() != nil {
		return
	}
	sorted := true
	for range n / (1 + len(t.shared)) {
		id := readID(rd)
		for _, i := range t.shared {
			if f := &t.fields[i]; f.typ == String {
				r.texts = append(r.texts, string(readText(rd)))
			} else {
				r.numbers = append(r.numbers, f.readNumber(rd))
			}
		}
		if rd.Err() != nil {
			return
		}
		if last := len(r.ids) - 1; last >= 0 && r.ids[last] >= id {
			sorted = false
		}
		r.ids = append(r.ids, id)
		r.marks = append(r.marks, 0)
		r.mine = append(r.mine, 0)
	}
	if !sorted && !t.sort(r) {
		rd.Fail(ErrTwice)
	}
}

// sort sorts r by id. It reports false if an id stands twice.
func (t *replicaTable) sort(r *rows) bool {
	order := make([]int, len(r.ids))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(int64(r.ids[a]) - int64(r.ids[b])) })
	s := rows{marks: r.marks, mine: r.mine}
	for i, row := range order {
		if i > 0 && r.ids[row] == s.ids[i-1] {
			return false
		}
		s.ids = append(s.ids, r.ids[row])
		s.numbers = append(s.numbers, t.rowNumbers(r, row)...)
		s.texts = append(s.texts, t.rowTexts(r, row)...)
	}
	*r = s
	return true
}

// merge adds the incoming rows. It reports false, and does nothing, if one of them is held already.
func (t *replicaTable) merge() bool {
	in, r := &t.incoming, &t.rows
	n, m := len(r.ids), len(in.ids)
	for _, id := range in.ids {
		if _, held := t.find(id, n); held {
			return false
		}
	}
	if m == 0 {
		return true
	}
	r.ids = append(r.ids, in.ids...)
	r.numbers = append(r.numbers, in.numbers...)
	r.texts = append(r.texts, in.texts...)
	r.marks = append(r.marks, in.marks...)
	r.mine = append(r.mine, in.mine...)
	if n == 0 || r.ids[n-1] < in.ids[0] {
		return true
	}
	for i, j, k := n-1, m-1, n+m-1; j >= 0; k-- {
		if i >= 0 && r.ids[i] > in.ids[j] {
			t.move(r, k, r, i)
			i--
		} else {
			t.move(r, k, in, j)
			j--
		}
	}
	return true
}

// move copies row j of from to row k of to.
func (t *replicaTable) move(to *rows, k int, from *rows, j int) {
	to.ids[k], to.marks[k], to.mine[k] = from.ids[j], from.marks[j], from.mine[j]
	copy(t.rowNumbers(to, k), t.rowNumbers(from, j))
	copy(t.rowTexts(to, k), t.rowTexts(from, j))
}

// sweep removes the rows marked with epoch, of which first is the first.
func (t *replicaTable) sweep(first int, epoch uint32) {
	r := &t.rows
	k := first
	for row := first; row < len(r.ids); row++ {
		if r.marks[row] == epoch {
			t.disown(row)
			continue
		}
		if k != row {
			t.move(r, k, r, row)
		}
		k++
	}
	if k == len(r.ids) {
		return
	}
	clear(r.texts[k*t.texts:])
	r.ids, r.marks, r.mine = r.ids[:k], r.marks[:k], r.mine[:k]
	r.numbers, r.texts = r.numbers[:k*t.numbers], r.texts[:k*t.texts]
}

// scratch is what apply needs for the fields with a rate, by shared index.
type scratch struct{ before, residual [MaxShared]int64 }

// apply reads the residuals of one record, brings the row ticks further, and reports whether a value
// changed.
func (t *replicaTable) apply(rd *wire.Reader, row int, mask uint32, ticks int64, s *scratch) (changed bool) {
	values := t.rowNumbers(&t.rows, row)
	for _, i := range t.predicted {
		s.before[i] = values[t.fields[t.fields[t.shared[i]].rate].at]
		s.residual[i] = 0
	}
	for ; mask != 0; mask &= mask - 1 {
		i := bits.TrailingZeros32(mask)
		f := &t.fields[t.shared[i]]
		if f.typ == String {
			changed = assign(&t.rowTexts(&t.rows, row)[f.at], readText(rd)) || changed
			continue
		}
		by := rd.Int()
		if by < -2*MaxInt || by > 2*MaxInt {
			rd.Fail(wire.ErrRange)
			return false
		}
		if f.rate >= 0 {
			s.residual[i] = by
			continue
		}
		v := values[f.at] + by
		if f.typ == Angle {
			if v %= f.turn; v < 0 {
				v += f.turn
			}
		}
		if !f.allows(v) {
			rd.Fail(wire.ErrRange)
			return false
		}
		changed = changed || v != values[f.at]
		values[f.at] = v
	}
	for _, i := range t.predicted {
		f := &t.fields[t.shared[i]]
		sum := s.before[i] + values[t.fields[f.rate].at]
		v := values[f.at] + f.predict.step(sum, ticks*f.predict.a) + s.residual[i]
		if !f.allows(v) {
			rd.Fail(wire.ErrRange)
			return false
		}
		changed = changed || v != values[f.at]
		values[f.at] = v
	}
	return changed
}

// follow brings a row that has no record ticks further, and reports whether a value changed.
func (t *replicaTable) follow(rd *wire.Reader, row int, ticks int64) (changed bool) {
	values := t.rowNumbers(&t.rows, row)
	for _, i := range t.predicted {
		f := &t.fields[t.shared[i]]
		v := values[t.fields[f.rate].at]
		if v == 0 {
			continue
		}
		by := f.predict.step(2*v, ticks*f.predict.a)
		if !f.allows(values[f.at] + by) {
			rd.Fail(wire.ErrRange)
			return false
		}
		values[f.at] += by
		changed = changed || by != 0
	}
	return changed
}

// applyOwn reads the owner fields in mask of one record, and reports whether that changed anything.
func (t *replicaTable) applyOwn(rd *wire.Reader, row int, mask uint32) (changed bool) {
	if t.mine[row] == 0 {
		t.own(row)
		changed = true
	}
	at := int(t.mine[row] - 1)
	for ; mask != 0; mask &= mask - 1 {
		f := &t.fields[t.owner[bits.TrailingZeros32(mask)]]
		if f.typ == String {
			changed = assign(&t.ownTexts[at*t.ownText+f.at], readText(rd)) || changed
			continue
		}
		v, held := f.readNumber(rd), &t.ownNumbers[at*t.ownNumber+f.at]
		changed = changed || v != *held
		*held = v
	}
	return changed
}

// own makes a row the player's own, with owner fields 0 or "".
func (t *replicaTable) own(row int) {
	if n := len(t.free); n > 0 {
		t.mine[row], t.free = t.free[n-1], t.free[:n-1]
		return
	}
	t.owned++
	t.mine[row] = t.owned
	for range t.ownNumber {
		t.ownNumbers = append(t.ownNumbers, 0)
	}
	for range t.ownText {
		t.ownTexts = append(t.ownTexts, "")
	}
}

func (t *replicaTable) disown(row int) {
	if at := int(t.mine[row]); at > 0 {
		t.free = append(t.free, t.mine[row])
		clear(t.ownNumbers[(at-1)*t.ownNumber : at*t.ownNumber])
		clear(t.ownTexts[(at-1)*t.ownText : at*t.ownText])
	}
}

// replace makes the incoming rows the ones that are held, none of which is the player's own.
func (t *replicaTable) replace() {
	t.rows, t.incoming = t.incoming, t.rows
	clear(t.ownTexts)
	t.ownNumbers, t.ownTexts, t.owned, t.free = t.ownNumbers[:0], t.ownTexts[:0], 0, t.free[:0]
}

// assign sets s to v, allocating only if they differ, and reports whether they did.
func assign(s *string, v []byte) bool {
	if *s == string(v) {
		return false
	}
	*s = string(v)
	return true
}
