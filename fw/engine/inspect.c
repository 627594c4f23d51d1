// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/engine/inspect.h"

#include <string.h>

#include "fw/wire/http.h"
#include "fw/wire/tls.h"

#define TLS_RECORD_HANDSHAKE 22

static enum inspected deny(struct decision *d, enum denial_code code)
{
	d->what = DECIDED_DENY;
	d->code = code;
	return INSPECT_DENY;
}

static enum inspected inspect_tls(struct flow *f, const struct facts *facts, struct decision *d)
{
	struct tls_hello hello;
	struct name sni;

	switch (tls_client_hello(f->buf, f->n, &hello)) {
	case WIRE_OK:
		break;
	case WIRE_MORE:
		return INSPECT_HOLD;
	case WIRE_TRUNCATED:
	case WIRE_BAD:
		return deny(d, f->n >= TLS_STREAM_MAX ? DENIED_TOO_LARGE : DENIED_NOT_TLS);
	}
	d->scheme = SCHEME_HTTPS;
	if (!name_canon(hello.sni, hello.sni_len, &sni))
		return deny(d, DENIED_NO_SNI);
	decide_name(facts, SCHEME_HTTPS, &sni, hello.ech, d);
	return d->what == DECIDED_FLOW ? INSPECT_VERIFIED : INSPECT_DENY;
}

/* A request's head at the beginning of buf. INSPECT_PASS: it is allowed and consumed. */
static enum inspected http_head(struct flow *f, const struct facts *facts, struct decision *d)
{
	struct http_request req;
	struct name host;

	switch (http_request_parse(f->buf, f->n, &req)) {
	case WIRE_OK:
		break;
	case WIRE_MORE:
		return INSPECT_HOLD;
	case WIRE_TRUNCATED:
	case WIRE_BAD:
		return deny(d, DENIED_NOT_HTTP);
	}
	if (req.connect)
		return deny(d, DENIED_NOT_HTTP);
	d->scheme = SCHEME_HTTP;
	if (!name_canon((const char *)req.host.p, req.host.n, &host))
		return deny(d, DENIED_NO_SNI);
	if (req.port && req.port != facts->port) {
		d->name = host;
		return deny(d, DENIED_OTHER_NAME);
	}
	decide_name(facts, SCHEME_HTTP, &host, false, d);
	/* A live connection may outlast the time for which its address was learned. */
	if (d->what == DECIDED_DENY && d->code == DENIED_NOT_LEARNED && f->verified &&
	    name_equal(&host, &f->verified_name))
		d->what = DECIDED_FLOW;
	if (d->what != DECIDED_FLOW)
		return INSPECT_DENY;
	name_copy(&f->verified_name, &host);
	flow_consume(f, req.head_bytes);
	f->body_left = req.body_bytes;
	f->chunks = (struct http_chunks){0};
	f->state = req.chunked ? FLOW_HTTP_CHUNKS : FLOW_HTTP_BODY;
	return INSPECT_PASS;
}

static void http_body(struct flow *f)
{
	size_t n = f->body_left < f->n ? (size_t)f->body_left : f->n;

	flow_consume(f, n);
	f->body_left -= n;
	if (!f->body_left)
		f->state = FLOW_HTTP_HEAD;
}

static enum inspected http_chunks(struct flow *f, struct decision *d)
{
	size_t used = f->n;
	enum wire_result r = http_chunks_feed(&f->chunks, f->buf, f->n, &used);

	if (r == WIRE_BAD || r == WIRE_TRUNCATED)
		return deny(d, DENIED_NOT_HTTP);
	flow_consume(f, r == WIRE_OK ? used : f->n);
	if (r == WIRE_OK)
		f->state = FLOW_HTTP_HEAD;
	return INSPECT_PASS;
}

static enum inspected inspect_http(struct flow *f, const struct facts *facts, struct decision *d)
{
	enum inspected r = INSPECT_PASS;

	while (r == INSPECT_PASS && f->n) {
		if (f->state == FLOW_HTTP_HEAD)
			r = http_head(f, facts, d);
		else if (f->state == FLOW_HTTP_BODY)
			http_body(f);
		else
			r = http_chunks(f, d);
	}
	/* An empty body ends at once: the next byte begins a new request. */
	if (f->state == FLOW_HTTP_BODY && !f->body_left)
		f->state = FLOW_HTTP_HEAD;
	return r;
}

enum inspected inspect(struct flow *f, const struct facts *facts, struct decision *d)
{
	if (!f->n)
		return INSPECT_HOLD;
	if (f->state == FLOW_NEW)
		f->state = d->tls && (!d->http || f->buf[0] == TLS_RECORD_HANDSHAKE)
			       ? FLOW_TLS
			       : FLOW_HTTP_HEAD;
	return f->state == FLOW_TLS ? inspect_tls(f, facts, d) : inspect_http(f, facts, d);
}

bool inspect_unseen(struct flow *f, size_t n)
{
	bool body = f->state == FLOW_HTTP_BODY && f->body_left >= n;

	if (f->n || f->n_later || !(body || f->state == FLOW_HTTP_CHUNKS))
		return false;
	if (!body && !http_chunks_skip(&f->chunks, n))
		return false;
	if (body && (f->body_left -= n) == 0)
		f->state = FLOW_HTTP_HEAD;
	f->next_seq += (uint32_t)n;
	return true;
}
