package player

// Advance gives w's next slot its turn, as Run does.
func (w *Wheel) Advance() { w.advance() }
