package quota_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tickhall/tickhall/player/quota"
)

func at(addr string) quota.Holder { return quota.Holder{Addr: netip.MustParseAddr(addr)} }

func TestEachAddressHasItsShare(t *testing.T) {
	c := quota.New("seats", quota.Limits{Address: 2})
	take := func(addr string, n int) (last error) {
		for range n {
			require.NoError(t, last)
			last = c.Take(at(addr))
		}
		return last
	}
	require.NoError(t, take("192.0.2.1", 2))
	require.NoError(t, c.Fits(at("192.0.2.2")))
	require.EqualError(t, c.Fits(at("192.0.2.1")), "all players at your address have 2 seats by now, which is as many as they may: give one up, or try again later")
	require.Error(t, c.Take(at("::ffff:192.0.2.1")), "the same address, written otherwise")
	c.Give(at("192.0.2.1"))
	require.NoError(t, c.Take(at("192.0.2.1")))

	require.NoError(t, take("2001:db8:0:1::1", 2))
	require.ErrorContains(t, c.Take(at("2001:db8:0:1::2")), "address", "64 bits are one address")
	require.NoError(t, take("2001:db8:0:2::1", 2))
	require.ErrorContains(t, c.Take(at("2001:db8:0:3::1")), "network", "56 bits have twice as much")
	require.NoError(t, take("2001:db8:0:100::1", 2))
	require.NoError(t, take("2001:db8:0:200::1", 2))
	var e *quota.Error
	require.ErrorAs(t, c.Take(at("2001:db8:0:300::1")), &e)
	require.Equal(t, quota.Error{What: "seats", Of: "network", Limit: 8}, *e, "48 bits four times")
	require.NoError(t, c.Take(at("2001:db8:1::1")))

	few := quota.New("seats", quota.Limits{Address: 4, Network: 6})
	for i := range 6 {
		require.NoError(t, few.Take(at(fmt.Sprintf("2001:db8:0:%x::1", i))))
	}
	require.Error(t, few.Take(at("2001:db8:0:7::1")))

	require.NoError(t, take("127.0.0.1", 10))
	require.NoError(t, take("::1", 10))
	for range 10 {
		require.NoError(t, c.Take(quota.Holder{}), "the server itself")
	}
	unknown := quota.Holder{User: "ada"}
	require.NoError(t, c.Take(unknown))
	require.NoError(t, c.Take(unknown))
	require.Error(t, c.Take(unknown), "those of unknown address share one")
}

func TestEachUserHasAShare(t *testing.T) {
	c := quota.New("rooms", quota.Limits{User: 1})
	ada := func(addr string) quota.Holder {
		return quota.Holder{User: "ada", Addr: netip.MustParseAddr(addr)}
	}
	require.NoError(t, c.Take(ada("192.0.2.1")))
	require.ErrorContains(t, c.Take(ada("198.51.100.1")), "you have 1 rooms", "wherever the user is")
	require.NoError(t, c.Take(quota.Holder{User: "bob", Addr: netip.MustParseAddr("192.0.2.1")}))
	require.NoError(t, c.Take(ada("127.0.0.1")))
	c.Give(ada("192.0.2.1"))
	c.Add(ada("192.0.2.1"))
	c.Add(ada("192.0.2.1"))
	c.Give(ada("192.0.2.1"))
	require.Error(t, c.Take(ada("192.0.2.1")))
}

func TestNothingIsLeftOfWhatWasGivenBack(t *testing.T) {
	c := quota.New("seats", quota.Limits{User: 3, Address: 5})
	var wg sync.WaitGroup
	for i := range 50 {
		h := quota.Holder{User: fmt.Sprint("user", i%7), Addr: netip.MustParseAddr(fmt.Sprintf("2001:db8:%x::1", i%3))}
		wg.Go(func() {
			for range 100 {
				if c.Take(h) == nil {
					c.Give(h)
				}
			}
		})
	}
	wg.Wait()
	for i := range 7 {
		h := quota.Holder{User: fmt.Sprint("user", i), Addr: netip.MustParseAddr("2001:db8:1::1")}
		for range 3 {
			require.NoError(t, c.Take(h))
		}
		for range 3 {
			c.Give(h)
		}
	}
}
