package protocol_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/protocol"
)

func TestACodesRangeIsItsAdvice(t *testing.T) {
	for advice, codes := range map[protocol.Advice][]protocol.Code{
		protocol.AdviceResume: {0, 1001, 1005, 1006, 1011, 1012, protocol.CodeSlowReader, protocol.CodePongTimeout, protocol.CodeUnacknowledged, protocol.CodeLost},
		protocol.AdviceMatch:  {protocol.CodeRoomFailed, protocol.CodeRoomStuck, protocol.CodeShuttingDown, protocol.CodeGone},
		protocol.AdviceStop: {protocol.CodeNormal, 1002, 1003, 1007, 1008, 1009, 1010, protocol.CodeProtocol, protocol.CodeFlood,
			protocol.CodeKicked, protocol.CodeReplaced, protocol.CodeRefused, protocol.CodeRoomEnded, protocol.CodeIdle},
	} {
		for _, c := range codes {
			require.Equal(t, advice, c.Advice(), "%d %s", uint16(c), c)
		}
	}
}
