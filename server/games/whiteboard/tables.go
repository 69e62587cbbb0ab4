package whiteboard

// The board's size in its own units, in which all coordinates are. 4000 units leave no steps to be seen on
// a large screen, and a point of a stroke takes two to four bytes.
const (
	Width, Height = 4000, 2500
)

// Artist is a player and its cursor.
type Artist struct {
	Name   string `sync:"name"`
	Colour uint8  `sync:"colour"` // of the cursor, 0 to 7
	X      int32  `sync:"x"`
	Y      int32  `sync:"y"`
	Here   bool   `sync:"here"`       // the cursor is on the board
	Undo   bool   `sync:"undo,owner"` // there is something to undo
	Redo   bool   `sync:"redo,owner"` // and to redo
}

// Stroke is a line that somebody has drawn or is drawing. Its points are in Chunks.
type Stroke struct {
	Order  uint32 `sync:"order"`  // later ones cover earlier ones; an undone stroke returns to its place
	Artist string `sync:"artist"` // name
	Colour uint8  `sync:"colour"` // 0 to 8; 0 is the paper, which makes an eraser
	Width  uint8  `sync:"width"`  // 1 to 160 units
	Done   bool   `sync:"done"`   // nothing follows
}

// Chunk is a part of a stroke. A field is sent as a whole when it changes, so that chunks are short: what is
// sent again while a stroke grows stays small, and an old board's chunks never change.
type Chunk struct {
	Stroke uint32 `sync:"stroke"` // id
	Seq    uint16 `sync:"seq"`    // from 0
	Points string `sync:"points"` // see encode
}
