package state

import (
	"fmt"
	"math/big"
	"math/bits"
)

const (
	maxA = 1 << 14
	maxB = 1 << 31
)

// predictor says how far a field moves when its rate is known: floor((sum*k*a + b) / (2*b)), where sum
// is the rate before plus the rate after, and k the span in ticks.
//
// The division is a multiplication (Granlund and Montgomery, "Division by Invariant Integers using
// Multiplication", 1994). Let d = 2b, l = ceil(log2 d), from 1 to 32, and mul = ceil(2^(63+l) / d), which
// is below 2^64. |sum*k*a| < 2^52, so adding bias*d, which is at least 2^53, makes the numerator n
// positive and below 2^55. Then n*mul/2^(63+l) is above n/d by n*(mul*d - 2^(63+l)) / (d*2^(63+l)),
// which is less than 2^55*2^l / (d*2^(63+l)) < 1/d: both have the same floor.
type predictor struct {
	a      int64
	b      int64
	add    int64 // b + bias*2b
	bias   int64
	mul    uint64
	shift  uint8
	source int // index in the field list of the rate
}

// newPredictor returns the predictor of x from its rate v, at ticks per second. It fails with
// ErrPrediction if the fraction a/b leaves the protocol's bounds.
func newPredictor(x, v *Field, source, ticks int) (predictor, error) {
	num := new(big.Int).Mul(big.NewInt(int64(v.Num)), big.NewInt(int64(x.Den)))
	den := new(big.Int).Mul(big.NewInt(int64(v.Den)), big.NewInt(int64(x.Num)))
	den.Mul(den, big.NewInt(int64(ticks)))
	f := new(big.Rat).SetFrac(num, den)
	if f.Num().Cmp(big.NewInt(maxA)) > 0 || f.Denom().Cmp(big.NewInt(maxB)) > 0 {
		return predictor{}, fmt.Errorf("%w (%s: %s steps of it per step of %s and tick)", ErrPrediction, x.Name, f, v.Name)
	}
	p := predictor{a: f.Num().Int64(), b: f.Denom().Int64(), source: source}
	d := uint64(2 * p.b)
	l := bits.Len64(d - 1)
	q, r := bits.Div64(1<<(l-1), 0, d)
	if r > 0 {
		q++
	}
	p.mul, p.shift = q, uint8(l-1)
	p.bias = int64((1<<53 + d - 1) / d)
	p.add = p.b + p.bias*int64(d)
	return p, nil
}

// step returns the prediction's movement for the sum of both rates and ka = k*a.
func (p *predictor) step(sum, ka int64) int64 {
	hi, _ := bits.Mul64(uint64(sum*ka+p.add), p.mul)
	return int64(hi>>p.shift) - p.bias
}

// predictors returns the predictor of each field of t that has a rate.
func (t *TableSchema) predictors(ticks int) ([]predictor, error) {
	list := make([]predictor, len(t.Fields))
	for i := range t.Fields {
		f := &t.Fields[i]
		if f.Rate < 0 {
			continue
		}
		var err error
		if list[i], err = newPredictor(f, &t.Fields[f.Rate], f.Rate, ticks); err != nil {
			return nil, err
		}
	}
	return list, nil
}
