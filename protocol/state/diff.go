package state

// diffBlock compares a block of entities with their baseline, one column after another.
type diffBlock struct {
	table     *table
	base, now *tableSnapshot
	lo, hi    int
	was       []int32
	ticks     int64
	masks     []uint32
	residuals [][block]int64
	x, v      *gathered
}

// gathered holds the baseline's values of a block in the order of the newest snapshot, where both have
// not the same entities.
type gathered struct {
	narrow [block]int32
	wide   [block]int64
}

// compare fills residuals, by shared index, and masks: which of them are not 0 or, of a string, whether
// it changed.
func (b *diffBlock) compare() {
	clear(b.masks)
	for i, f := range b.table.shared {
		m, bit := &b.table.members[f], uint32(1)<<i
		res := b.residuals[i][:b.hi-b.lo]
		now, base := b.now.columns[f], b.base.columns[f]
		switch {
		case now == base && m.Rate < 0 && b.was == nil: // nothing changed: no bit of the masks
		case m.Type == String:
			b.texts(base, now, bit)
		case m.Rate >= 0:
			v := m.Rate
			predicted(res, b.masks, bit, b.narrow(f, b.x), now.narrow[b.lo:b.hi], b.narrow(v, b.v),
				b.now.columns[v].narrow[b.lo:b.hi], &b.table.predict[f], b.ticks)
		case m.Type == Angle:
			angles(res, b.masks, bit, b.narrow(f, b.x), now.narrow[b.lo:b.hi], int64(m.Den))
		case isWide(m.kind):
			differences(res, b.masks, bit, b.wide(f, b.x), now.wide[b.lo:b.hi])
		default:
			differences(res, b.masks, bit, b.narrow(f, b.x), now.narrow[b.lo:b.hi])
		}
	}
	if b.was != nil {
		for i, was := range b.was[b.lo:b.hi] {
			if was < 0 {
				b.masks[i] = 0
			}
		}
	}
}

func (b *diffBlock) narrow(f int, into *gathered) []int32 {
	return gather(b.base.columns[f].narrow, b.was, b.lo, b.hi, &into.narrow)
}

func (b *diffBlock) wide(f int, into *gathered) []int64 {
	return gather(b.base.columns[f].wide, b.was, b.lo, b.hi, &into.wide)
}

func gather[N int32 | int64](column []N, was []int32, lo, hi int, into *[block]N) []N {
	if was == nil {
		return column[lo:hi]
	}
	for i, rank := range was[lo:hi] {
		into[i] = 0
		if rank >= 0 {
			into[i] = column[rank]
		}
	}
	return into[:hi-lo]
}

func (b *diffBlock) texts(base, now *column, bit uint32) {
	for i := b.lo; i < b.hi; i++ {
		was := i
		if b.was != nil {
			was = int(b.was[i])
		}
		if was >= 0 && base.text[was] != now.text[i] {
			b.masks[i-b.lo] |= bit
		}
	}
}

// The loops below set a bit of a mask by arithmetic, since whether a field changed is hard to predict
// for a processor: d|-d is negative unless d is 0.

func differences[N int32 | int64](res []int64, masks []uint32, bit uint32, old, now []N) {
	masks, old, now = masks[:len(res)], old[:len(res)], now[:len(res)]
	for i := range res {
		d := int64(now[i]) - int64(old[i])
		res[i] = d
		masks[i] |= bit & uint32((d|-d)>>63)
	}
}

// angles takes the shorter way round; half a turn is positive.
func angles(res []int64, masks []uint32, bit uint32, old, now []int32, turn int64) {
	masks, old, now = masks[:len(res)], old[:len(res)], now[:len(res)]
	for i := range res {
		d := int64(now[i]) - int64(old[i])
		if 2*d > turn {
			d -= turn
		} else if 2*d <= -turn {
			d += turn
		}
		res[i] = d
		masks[i] |= bit & uint32((d|-d)>>63)
	}
}

func predicted(res []int64, masks []uint32, bit uint32, old, now, rateOld, rateNow []int32, by *predictor, ticks int64) {
	n := len(res)
	masks, old, now, rateOld, rateNow = masks[:n], old[:n], now[:n], rateOld[:n], rateNow[:n]
	p, ka := *by, ticks*by.a
	for i := range res {
		d := int64(now[i]) - int64(old[i]) - p.step(int64(rateOld[i])+int64(rateNow[i]), ka)
		res[i] = d
		masks[i] |= bit & uint32((d|-d)>>63)
	}
}
