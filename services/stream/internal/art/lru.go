package art

import "container/list"

// lru keeps values within a bound of bytes; what was not used for longest goes first. It
// is used under its owner's lock.
type lru[K comparable, V any] struct {
	bound, bytes int64
	order        *list.List // of *entry[K, V], newest first
	of           map[K]*list.Element
}

type entry[K comparable, V any] struct {
	key   K
	value V
	size  int64
}

func newLRU[K comparable, V any](bound int64) *lru[K, V] {
	return &lru[K, V]{bound: bound, order: list.New(), of: map[K]*list.Element{}}
}

func (c *lru[K, V]) get(k K) (v V, ok bool) {
	e := c.of[k]
	if e == nil {
		return v, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry[K, V]).value, true
}

// put keeps a value of size bytes. One that is larger than half of the bound is not kept:
// it would drive out everything else.
func (c *lru[K, V]) put(k K, v V, size int64) {
	c.drop(k)
	if size > c.bound/2 {
		return
	}
	c.of[k] = c.order.PushFront(&entry[K, V]{k, v, size})
	for c.bytes += size; c.bytes > c.bound; {
		c.drop(c.order.Back().Value.(*entry[K, V]).key)
	}
}

func (c *lru[K, V]) drop(k K) {
	if e := c.of[k]; e != nil {
		c.bytes -= e.Value.(*entry[K, V]).size
		c.order.Remove(e)
		delete(c.of, k)
	}
}
