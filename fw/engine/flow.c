// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/flow.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "fw/engine/hash.h"

#define BUCKETS_MIN    64  /* doubled as flows come: there may be a thousand fences */
#define BUCKETS_A_FLOW 4   /* a new flow mostly finds an empty bucket: no other memory is touched */
#define ROOM_MIN       512 /* most requests fit */

struct flows {
	struct loop *loop;
	void (*gone)(struct flow *f);
	size_t n, n_over;
	struct ages {
		struct flow *newest, *oldest;
	} live, over;
	struct flow **bucket;
	size_t n_buckets; /* a power of two */
};

static uint32_t hash(const struct flow_key *k)
{
	uint8_t bytes[37];

	memcpy(bytes, k->src.b, 16);
	memcpy(bytes + 16, k->dst.b, 16);
	memcpy(bytes + 32, &k->sport, 2);
	memcpy(bytes + 34, &k->dport, 2);
	bytes[36] = k->stays;
	return hash_bytes(hash_key(), bytes, sizeof(bytes));
}

int flows_new(struct loop *loop, void (*gone)(struct flow *f), struct flows **ret)
{
	struct flows *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->n_buckets = BUCKETS_MIN;
	t->bucket = calloc(t->n_buckets, sizeof(struct flow *));
	if (!t->bucket) {
		free(t);
		return -ENOMEM;
	}
	t->loop = loop;
	t->gone = gone;
	*ret = t;
	return 0;
}

void flows_free(struct flows *t)
{
	if (!t)
		return;
	while (t->live.oldest) {
		t->gone(t->live.oldest);
		flow_drop(t, t->live.oldest);
	}
	while (t->over.oldest)
		flow_drop(t, t->over.oldest);
	free(t->bucket);
	free(t);
}

bool flow_is_over(const struct flow *f)
{
	return f->state == FLOW_PASSED || f->state == FLOW_OWN || f->state == FLOW_REFUSED;
}

static struct ages *ages_of(struct flows *t, const struct flow *f)
{
	return flow_is_over(f) ? &t->over : &t->live;
}

static void age_unlink(struct flows *t, struct flow *f)
{
	struct ages *a = ages_of(t, f);

	*(f->newer ? &f->newer->older : &a->newest) = f->older;
	*(f->older ? &f->older->newer : &a->oldest) = f->newer;
}

static void age_newest(struct flows *t, struct flow *f)
{
	struct ages *a = ages_of(t, f);

	f->newer = NULL;
	f->older = a->newest;
	*(a->newest ? &a->newest->newer : &a->oldest) = f;
	a->newest = f;
}

static bool key_equal(const struct flow_key *a, const struct flow_key *b)
{
	return a->sport == b->sport && a->dport == b->dport && a->stays == b->stays &&
	       addr_equal(&a->src, &b->src) && addr_equal(&a->dst, &b->dst);
}

static struct flow **bucket(struct flows *t, uint32_t h)
{
	return &t->bucket[h & (t->n_buckets - 1)];
}

/* Without memory the buckets' lists just get longer. */
static void grow(struct flows *t)
{
	size_t n = t->n_buckets * 2;
	struct flow **wider = calloc(n, sizeof(struct flow *));

	if (!wider)
		return;
	free(t->bucket);
	t->bucket = wider;
	t->n_buckets = n;
	for (size_t i = 0; i < 2; i++)
		for (struct flow *f = i ? t->over.oldest : t->live.oldest; f; f = f->newer) {
			f->next = *bucket(t, f->hash);
			*bucket(t, f->hash) = f;
		}
}

struct flow *flow_find(struct flows *t, const struct flow_key *key)
{
	uint32_t h = hash(key);

	for (struct flow *f = *bucket(t, h); f; f = f->next)
		if (f->hash == h && key_equal(&f->key, key)) {
			age_unlink(t, f);
			age_newest(t, f);
			return f;
		}
	return NULL;
}

/* Only the length of verified_name: a flow's memory is cold in the cache. */
static void begin(struct flow *f, uint32_t first_seq)
{
	const size_t from = offsetof(struct flow, timer);

	memset((char *)f + from, 0, offsetof(struct flow, verified_name) - from);
	f->verified_name.len = 0;
	f->next_seq = f->first_seq = first_seq;
}

/* Frees what the flow holds of its connection. */
static void end(struct flows *t, struct flow *f)
{
	timer_cancel(t->loop, &f->timer);
	flow_release(f);
	for (size_t i = 0; i < f->n_later; i++)
		free(f->later[i].bytes);
	free(f->later);
	free(f->buf);
}

struct flow *flow_new(struct flows *t, const struct flow_key *key, uint32_t first_seq, void *owner)
{
	struct flow *f;

	if (t->n == FLOWS_MAX) {
		f = t->over.oldest ? t->over.oldest : t->live.oldest;
		t->gone(f);
		flow_drop(t, f);
	}
	f = malloc(sizeof(*f));
	if (!f)
		return NULL;
	f->key = *key;
	f->hash = hash(key);
	f->owner = owner;
	begin(f, first_seq);
	if (t->n * BUCKETS_A_FLOW == t->n_buckets)
		grow(t);
	f->next = *bucket(t, f->hash);
	*bucket(t, f->hash) = f;
	age_newest(t, f);
	t->n++;
	return f;
}

void flow_drop(struct flows *t, struct flow *f)
{
	struct flow **at = bucket(t, f->hash);

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	age_unlink(t, f);
	t->n--;
	t->n_over -= flow_is_over(f);
	end(t, f);
	free(f);
}

void flow_over(struct flows *t, struct flow *f, enum flow_state state)
{
	end(t, f);
	f->buf = NULL;
	f->later = NULL;
	f->n = f->room = f->n_later = 0;
	age_unlink(t, f);
	t->n_over += !flow_is_over(f);
	f->state = state;
	age_newest(t, f);
	if (t->n_over > FLOWS_OVER_MAX)
		flow_drop(t, t->over.oldest);
}

/* ---- bytes --------------------------------------------------------------- */

static bool append(struct flow *f, const uint8_t *p, size_t n)
{
	if (f->n + n > FLOW_BYTES_MAX)
		return false;
	if (f->n + n > f->room) {
		size_t room = f->room ? f->room : ROOM_MIN;
		uint8_t *buf;

		while (room < f->n + n)
			room *= 2;
		buf = realloc(f->buf, room);
		if (!buf)
			return false;
		f->buf = buf;
		f->room = room;
	}
	memcpy(f->buf + f->n, p, n);
	f->n += n;
	f->next_seq += (uint32_t)n;
	return true;
}

static bool keep_later(struct flow *f, uint32_t seq, struct slice s)
{
	struct flow_later *l;

	if (f->n_later == FLOW_LATER_MAX ||
	    (!f->later && !(f->later = calloc(FLOW_LATER_MAX, sizeof(*f->later)))))
		return false;
	l = &f->later[f->n_later];
	l->bytes = malloc(s.n);
	if (!l->bytes)
		return false;
	memcpy(l->bytes, s.p, s.n);
	l->seq = seq;
	l->n = (uint32_t)s.n;
	f->n_later++;
	return true;
}

/* Do the two ranges differ where they overlap? Sequence numbers wrap. */
static bool contradict(uint32_t a_seq, const uint8_t *a, size_t a_n, uint32_t b_seq,
		       const uint8_t *b, size_t b_n)
{
	int32_t shift = (int32_t)(b_seq - a_seq);
	size_t a_at = shift > 0 ? (size_t)shift : 0,
	       b_at = shift < 0 ? (size_t) - (int64_t)shift : 0;
	size_t n;

	if (a_at >= a_n || b_at >= b_n)
		return false;
	n = a_n - a_at < b_n - b_at ? a_n - a_at : b_n - b_at;
	return memcmp(a + a_at, b + b_at, n) != 0;
}

static bool contradicts_known(const struct flow *f, uint32_t seq, struct slice s)
{
	if (contradict(f->next_seq - (uint32_t)f->n, f->buf, f->n, seq, s.p, s.n))
		return true;
	for (size_t i = 0; i < f->n_later; i++)
		if (contradict(f->later[i].seq, f->later[i].bytes, f->later[i].n, seq, s.p, s.n))
			return true;
	return false;
}

/* Appends the later segments whose turn has come. */
static enum flow_result take_later(struct flow *f)
{
	for (size_t i = 0; i < f->n_later;) {
		struct flow_later l = f->later[i];
		int32_t ahead = (int32_t)(l.seq - f->next_seq);
		size_t known = ahead < 0 ? (size_t) - (int64_t)ahead : 0;

		if (ahead > 0) {
			i++;
			continue;
		}
		f->later[i] = f->later[--f->n_later];
		if (known < l.n && !append(f, l.bytes + known, l.n - known)) {
			free(l.bytes);
			return FLOW_OVER_LIMIT;
		}
		free(l.bytes);
		i = 0;
	}
	return FLOW_MORE;
}

bool flow_continues(struct flow *f, uint32_t seq, bool has_ack, uint32_t ack)
{
	if (f->acked)
		return has_ack && ack == f->ack;
	if (seq != f->first_seq)
		return false;
	f->acked = has_ack;
	f->ack = ack;
	return true;
}

bool flow_began_so(const struct flow *f, uint32_t seq, bool has_ack, uint32_t ack)
{
	return f->acked && has_ack && ack == f->ack && (int32_t)(seq - f->first_seq) >= 0 &&
	       flow_near(f, seq);
}

bool flow_near(const struct flow *f, uint32_t seq)
{
	int32_t ahead = (int32_t)(seq - f->next_seq);

	return ahead >= -FLOW_BEHIND_MAX &&
	       ahead <= (flow_is_over(f) ? FLOW_BEHIND_MAX : FLOW_AHEAD_MAX);
}

void flow_went_on(struct flow *f, uint32_t seq, size_t n)
{
	if ((int32_t)(seq + (uint32_t)n - f->next_seq) > 0)
		f->next_seq = seq + (uint32_t)n;
}

enum flow_result flow_segment(struct flow *f, uint32_t seq, struct slice payload)
{
	int32_t ahead = (int32_t)(seq - f->next_seq);
	size_t known;

	if (contradicts_known(f, seq, payload))
		return FLOW_CONFLICT;
	if (ahead > FLOW_BYTES_MAX)
		return FLOW_OVER_LIMIT;
	if (ahead > 0)
		return keep_later(f, seq, payload) ? FLOW_SAME : FLOW_OVER_LIMIT;
	known = (size_t) - (int64_t)ahead;
	if (known >= payload.n)
		return FLOW_SAME;
	if (!append(f, payload.p + known, payload.n - known))
		return FLOW_OVER_LIMIT;
	return take_later(f);
}

void flow_consume(struct flow *f, size_t n)
{
	f->n -= n;
	if (f->n) {
		memmove(f->buf, f->buf + n, f->n);
		return;
	}
	free(f->buf); /* the flow may be idle for long */
	f->buf = NULL;
	f->room = 0;
}

bool flow_hold(struct flow *f, uint32_t id, uint32_t mark, const uint8_t *bytes, size_t wire_bytes,
	       size_t cap)
{
	struct held_packet *h;

	if (f->n_held == FLOW_HELD_MAX && f->held[0].gone) {
		free(f->held[0].bytes);
		memmove(f->held, f->held + 1, --f->n_held * sizeof(*f->held));
		f->untold++;
	}
	if (f->n_held == FLOW_HELD_MAX ||
	    (!f->held && !(f->held = calloc(FLOW_HELD_MAX, sizeof(*f->held)))))
		return false;
	h = &f->held[f->n_held];
	h->bytes = malloc(cap ? cap : 1);
	if (!h->bytes)
		return false;
	memcpy(h->bytes, bytes, cap);
	h->id = id;
	h->gone = false;
	h->mark = mark;
	h->wire_bytes = (uint32_t)wire_bytes;
	h->cap_bytes = (uint32_t)cap;
	f->n_held++;
	return true;
}

void flow_release(struct flow *f)
{
	for (size_t i = 0; i < f->n_held; i++)
		free(f->held[i].bytes);
	free(f->held);
	f->held = NULL;
	f->n_held = 0;
	f->untold = 0;
}
