// SPDX-License-Identifier: GPL-2.0-or-later
/* The grammar: a program is a few random steps on up to four sockets. Nothing here knows an attack.
 * What makes steps meet is the program's focus: an address, two ports and a device that most of its
 * steps use. */
#include "tests/lab/escape/escape.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
	const char *text;
	uint8_t weight;
} ops[ESCAPE_OPS] = {
    [OP_SOCKET] = {"socket", 6},
    [OP_BIND] = {"bind", 10},
    [OP_BIND_AS] = {"bind_as", 8},
    [OP_CONNECT] = {"connect", 14},
    [OP_CONNECT_AS] = {"connect_as", 4},
    [OP_TWIN] = {"twin", 6},
    [OP_DISCONNECT] = {"disconnect", 3},
    [OP_OPTION] = {"option", 14},
    [OP_RANDOM_OPTION] = {"random_option", 3},
    [OP_SEND] = {"send", 20},
    [OP_SEND_TO] = {"send_to", 16},
    [OP_LISTEN] = {"listen", 6},
    [OP_ACCEPT] = {"accept", 2},
    [OP_RECEIVE] = {"receive", 2},
    [OP_SHUTDOWN] = {"shutdown", 1},
    [OP_RESET] = {"reset", 2},
    [OP_CLOSE] = {"close", 2},
    [OP_LOOKUP] = {"lookup", 1},
    [OP_PAUSE] = {"pause", 2},
};

/* splitmix64 */
uint64_t escape_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

struct gen {
	uint64_t state;
	bool to_name_device; /* the next step of this socket's */
	bool made[ESCAPE_SLOTS], v6[ESCAPE_SLOTS];
	uint8_t type[ESCAPE_SLOTS];
	uint8_t twin, twin_of; /* of the step before: a socket that was bound as another one */
	uint8_t busy[2];       /* slots, from 1, that were just made: they send next, mostly */
	uint8_t focus_address[2], focus_port[2], focus_device;
	char focus_kind;
};

static unsigned below(struct gen *g, unsigned n)
{
	return (unsigned)(escape_random(&g->state) % n);
}

static bool chance(struct gen *g, unsigned percent)
{
	return below(g, 100) < percent;
}

static bool is_v6(unsigned address)
{
	return strchr(escape_addresses[address].text, ':');
}

static uint8_t address_named(const char *text)
{
	for (unsigned i = 0; i < escape_n_addresses; i++)
		if (strcmp(escape_addresses[i].text, text) == 0)
			return (uint8_t)i;
	abort();
}

static uint8_t any_address(struct gen *g, bool v6, bool bind)
{
	unsigned total = 0, pick;

	/* an IPv6 socket goes to IPv4 as v4-mapped */
	if (v6 && chance(g, 35))
		v6 = false;
	for (unsigned pass = 0;; pass++) {
		pick = pass ? below(g, total) : 0;
		for (unsigned i = 0; i < escape_n_addresses; i++) {
			unsigned w = bind ? escape_addresses[i].bind : escape_addresses[i].to;

			if (is_v6(i) != v6)
				continue;
			if (pass && pick < w)
				return (uint8_t)i;
			if (pass)
				pick -= w;
			else
				total += w;
		}
	}
}

static uint8_t any_port(struct gen *g)
{
	return chance(g, 30) ? (uint8_t)(ESCAPE_OWN_PORT + below(g, ESCAPE_OWN_PORTS))
			     : (uint8_t)below(g, escape_n_ports);
}

static uint8_t a_port(struct gen *g)
{
	return chance(g, 75) ? g->focus_port[chance(g, 25)] : any_port(g);
}

static uint8_t a_device(struct gen *g)
{
	return chance(g, 40)   ? g->focus_device
	       : chance(g, 70) ? (uint8_t)(1 + below(g, 2))
			       : (uint8_t)below(g, ESCAPE_DEVICES);
}

static uint8_t an_address(struct gen *g, bool v6, bool bind)
{
	unsigned which = v6 && !chance(g, 35);

	if (chance(g, bind ? 10 : 65))
		return g->focus_address[which];
	return any_address(g, v6, bind);
}

static uint32_t a_value(struct gen *g)
{
	switch (below(g, 6)) {
	case 0:
		return 0;
	case 1:
		return below(g, 256);
	case 2:
		return 1u << below(g, 32);
	case 3:
		return (uint32_t)escape_random(&g->state);
	default:
		return 1;
	}
}

static bool names_device(const struct escape_option *o)
{
	return o->value == VALUE_DEVICE || o->value == VALUE_DEVICE_BE ||
	       o->value == VALUE_DEVICE_NAME || o->value == VALUE_PKTINFO6 ||
	       o->value == VALUE_MREQN;
}

/* The first one of the table whose protocol goes with the socket's, by weight. */
static uint8_t pick_option(struct gen *g, const struct escape_option *table, unsigned n, bool v6,
			   uint8_t type)
{
	const bool device =
	    g->to_name_device ||
	    chance(g, 45); /* which way a packet goes is what most holes were about */

	for (;;) {
		const unsigned i = below(g, n);
		const int level = table[i].level;

		if (below(g, 16) >= table[i].weight || (device && !names_device(&table[i])))
			continue;
		if ((level == IPPROTO_TCP && type != TYPE_TCP) ||
		    (level == IPPROTO_UDP && type != TYPE_UDP) || (level == IPPROTO_IPV6 && !v6))
			continue;
		return (uint8_t)i;
	}
}

static void payload(struct gen *g, struct escape_step *s, bool stream)
{
	s->n_messages = (uint8_t)(stream && chance(g, 35) ? 2 + below(g, 2) : 1);
	for (unsigned i = 0; i < s->n_messages; i++) {
		struct escape_message *m = &s->messages[i];

		m->kind = !stream ? 'R' : chance(g, 75) ? g->focus_kind : "RHT"[below(g, 3)];
		m->name = (uint8_t)(chance(g, 50) ? 0 : below(g, ESCAPE_NAMES + 1));
		m->body = (uint8_t)below(g, 4);
		m->bytes = (uint16_t)(chance(g, 85) ? 20 + below(g, 200) : 200 + below(g, 4000));
	}
	s->n_cuts = (uint8_t)(stream && chance(g, 40) ? 1 + below(g, 4) : 0);
	for (unsigned i = 0; i < s->n_cuts; i++)
		s->cuts[i] = (uint16_t)below(g, 65536);
	if (chance(g, 6))
		s->flags |= MSG_OOB;
	if (chance(g, 6))
		s->flags |= MSG_MORE;
	if (chance(g, 4))
		s->flags |= MSG_DONTROUTE;
}

/* A packet's source as it claims: mostly one that the kernel accepts. */
static uint8_t source(struct gen *g, bool v6)
{
	static const char *const own[2][2] = {{"198.51.100.2", "127.0.0.1"},
					      {"2001:db8:1::2", "::1"}};

	if (chance(g, 35))
		return any_address(g, v6, true);
	return address_named(own[v6 && chance(g, 65)][chance(g, 25)]);
}

static void control(struct gen *g, struct escape_step *s)
{
	s->n_cmsgs = (uint8_t)(chance(g, 60) ? 1 + chance(g, 15) : 0);
	for (unsigned i = 0; i < s->n_cmsgs; i++) {
		struct escape_cmsg *c = &s->cmsgs[i];

		c->which = pick_option(g, escape_cmsgs, escape_n_cmsgs, s->v6, s->type);
		c->device = a_device(g);
		c->address = chance(g, 30)
				 ? UINT8_MAX
				 : source(g, escape_cmsgs[c->which].level == IPPROTO_IPV6);
		c->value = a_value(g);
	}
}

static void destination(struct gen *g, struct escape_step *s, bool bind)
{
	s->to.address = an_address(g, s->v6, bind);
	s->to.port = a_port(g);
	s->to.scope = a_device(g);
}

static void fill(struct gen *g, struct escape_step *s)
{
	switch ((enum escape_op)s->op) {
	case OP_BIND:
		destination(g, s, true);
		break;
	case OP_CONNECT:
		destination(g, s, false);
		s->wait = chance(g, 70);
		break;
	case OP_OPTION:
		s->option = pick_option(g, escape_options, escape_n_options, s->v6, s->type);
		s->device = a_device(g);
		s->address = an_address(g, s->v6, true);
		s->value = a_value(g);
		break;
	case OP_RANDOM_OPTION:
		s->level = (const int[]){SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP,
					 IPPROTO_UDP}[below(g, 5)];
		s->name = (int)below(g, 90);
		s->device = a_device(g);
		s->value = a_value(g);
		break;
	case OP_SEND:
		payload(g, s, s->type == TYPE_TCP);
		break;
	case OP_SEND_TO:
		destination(g, s, false);
		payload(g, s, s->type == TYPE_TCP);
		if (s->type == TYPE_TCP)
			s->flags |= MSG_FASTOPEN;
		control(g, s);
		s->wait = chance(g, 20);
		break;
	case OP_TWIN:
		s->device = a_device(g);
		s->value = below(g, 2);
		s->wait = chance(g, 30);
		s->both = chance(g, 60);
		destination(g, s, false);
		break;
	case OP_ACCEPT:
	case OP_BIND_AS:
	case OP_CONNECT_AS:
		s->other = (uint8_t)below(g, ESCAPE_SLOTS);
		s->wait = chance(g, 60);
		break;
	case OP_SHUTDOWN:
	case OP_PAUSE:
	case OP_LOOKUP:
		s->value = below(g, 8);
		break;
	case OP_SOCKET:
	case OP_DISCONNECT:
	case OP_LISTEN:
	case OP_RECEIVE:
	case OP_RESET:
	case OP_CLOSE:
	case ESCAPE_OPS:
		break;
	}
}

static uint8_t pick_op(struct gen *g)
{
	unsigned total = 0, pick;

	for (unsigned i = 0; i < ESCAPE_OPS; i++)
		total += ops[i].weight;
	pick = below(g, total);
	for (unsigned i = 0;; i++) {
		if (pick < ops[i].weight)
			return (uint8_t)i;
		pick -= ops[i].weight;
	}
}

static void new_socket(struct gen *g, struct escape_step *s, unsigned usual)
{
	const unsigned t = chance(g, 80) ? usual : below(g, 20);

	s->op = OP_SOCKET;
	s->async = false;
	g->made[s->slot] = true;
	g->v6[s->slot] = chance(g, 55);
	g->type[s->slot] = t < 11 ? TYPE_TCP : t < 19 ? TYPE_UDP : TYPE_PING;
}

static void focus(struct gen *g)
{
	/* Endpoints that a policy allows, by escape_addresses (two families, side by side) and
	 * escape_ports: what is judged is worth as many steps as what is refused at once. */
	static const uint8_t endpoints[][2] = {{0, 0}, {0, 1}, {0, 1}, {0, 2},  {0, 3},
					       {2, 0}, {6, 4}, {6, 5}, {12, 6}, {12, 7}};
	const uint8_t *e = endpoints[below(g, sizeof(endpoints) / sizeof(endpoints[0]))];
	const bool allowed = chance(g, 35);

	g->focus_address[0] = allowed ? e[0] : any_address(g, false, false);
	do
		g->focus_address[1] = allowed ? (uint8_t)(e[0] + 1) : any_address(g, true, false);
	while (!is_v6(g->focus_address[1]));
	g->focus_port[0] = allowed ? e[1] : any_port(g);
	g->focus_port[1] = any_port(g);
	g->focus_device = (uint8_t)(1 + below(g, 2));
	g->focus_kind = "RHT"[below(g, 3)];
	/* the port's own protocol, mostly */
	if (g->focus_port[0] < 2 && chance(g, 70))
		g->focus_kind = "TH"[g->focus_port[0]];
}

/* What names a device: an option, or an address with a scope. */
static void name_device(struct gen *g, struct escape_step *s)
{
	s->op = s->v6 && chance(g, 50) ? OP_BIND : OP_OPTION;
	g->to_name_device = true;
	fill(g, s);
	g->to_name_device = false;
	if (s->op == OP_BIND)
		s->to.address = address_named(chance(g, 50) ? "fe80::dead" : "fe80::2");
}

/* One of the program's own, or one that came to be as a twin or was accepted. */
static uint8_t any_slot(struct gen *g, unsigned slots)
{
	const uint8_t any = (uint8_t)below(g, ESCAPE_SLOTS);

	return g->made[any] && any >= slots && chance(g, 70) ? any : (uint8_t)below(g, slots);
}

/* Of one of the sockets that are there; it need not be a socket itself before. */
static void twin(struct gen *g, struct escape_step *s)
{
	s->other = s->slot;
	s->slot = (uint8_t)((s->other + 1 + below(g, ESCAPE_SLOTS - 1)) % ESCAPE_SLOTS);
	s->v6 = chance(g, 85) ? g->v6[s->other] : !g->v6[s->other];
	s->type = g->type[s->other];
	g->made[s->slot] = true;
	g->v6[s->slot] = s->v6;
	g->type[s->slot] = s->type;
	g->busy[0] = (uint8_t)(1 + s->slot);
	g->busy[1] = (uint8_t)(1 + s->other);
}

/* Half of the programs begin with somebody who listens, or who has the port. */
static void listener(struct gen *g, struct escape_program *p, uint8_t slot, unsigned usual)
{
	static const uint8_t begin[] = {OP_SOCKET, OP_BIND, OP_LISTEN};

	for (unsigned i = 0; i < sizeof(begin); i++) {
		struct escape_step *s = &p->steps[p->n++];

		s->slot = slot;
		s->op = begin[i];
		if (i == 0)
			new_socket(g, s, usual);
		s->v6 = g->v6[slot];
		s->type = g->type[slot];
		fill(g, s);
		if (i == 1 && chance(g, 60))
			s->to.address = address_named(s->v6 ? "::" : "0.0.0.0");
	}
}

void escape_generate(uint64_t seed, uint32_t k, struct escape_program *p)
{
	struct gen g = {.state = seed * 0x2545f4914f6cdd1du + k};
	unsigned slots, usual, length;
	bool named;

	escape_random(&g.state);
	memset(p, 0, sizeof(*p));
	focus(&g);
	usual = below(&g, 20); /* most programs have one type of socket */
	slots = 1 + below(&g, ESCAPE_SLOTS);
	if (slots > 1 && chance(&g, 50))
		listener(&g, p, (uint8_t)--slots, usual);
	named = chance(&g, 60); /* nor does this program's first socket name a device at once */
	for (length = p->n + 4 + below(&g, ESCAPE_STEPS - 3 - p->n); p->n < length; p->n++) {
		struct escape_step *s = &p->steps[p->n];

		s->op = pick_op(&g);
		s->slot = any_slot(&g, slots);
		s->async = p->n > 0 && chance(&g, 10);
		if (!g.made[s->slot] || s->op == OP_SOCKET) {
			new_socket(&g, s, usual);
		} else if (g.busy[0] && chance(&g, 60)) {
			s->op = OP_SEND;
			s->slot = (uint8_t)(g.busy[0] - 1);
			g.busy[0] = g.busy[1];
			g.busy[1] = 0;
		} else if (g.twin && chance(&g, 60)) {
			s->op = OP_CONNECT_AS;
			s->slot = (uint8_t)(g.twin - 1);
		}
		s->v6 = g.v6[s->slot];
		s->type = g.type[s->slot];
		if (s->op == OP_TWIN && named)
			twin(&g, s);
		if (named || s->op == OP_SOCKET)
			fill(&g, s);
		else
			name_device(&g, s);
		named = named || s->op != OP_SOCKET;
		if (s->op == OP_CONNECT_AS && g.twin)
			s->other = g.twin_of;
		g.twin = s->op == OP_BIND_AS ? (uint8_t)(s->slot + 1) : 0;
		g.twin_of = s->other;
	}
}

/* ---- as text ------------------------------------------------------------- */

static void print_port(FILE *f, uint8_t port)
{
	if (port >= ESCAPE_OWN_PORT)
		fprintf(f, ":own%d", port - ESCAPE_OWN_PORT);
	else if (port == ESCAPE_RESOLVER_PORT)
		fprintf(f, ":resolver");
	else
		fprintf(f, ":%u", escape_ports[port]);
}

static void print_to(FILE *f, const struct escape_step *s)
{
	fprintf(f, " %s%%%s", escape_addresses[s->to.address].text, escape_devices[s->to.scope]);
	print_port(f, s->to.port);
}

static void print_value(FILE *f, const struct escape_option *o, uint8_t device, uint8_t address,
			uint32_t value)
{
	fprintf(f, " %s", o->text);
	switch ((enum escape_value)o->value) {
	case VALUE_INT:
	case VALUE_BYTES:
	case VALUE_FAMILY:
	case VALUE_LINGER:
	case VALUE_TEXT:
		fprintf(f, "=0x%x", value);
		break;
	case VALUE_DEVICE:
	case VALUE_DEVICE_BE:
	case VALUE_DEVICE_NAME:
		fprintf(f, "=%s", escape_devices[device]);
		break;
	case VALUE_MREQN:
	case VALUE_MREQ6:
	case VALUE_PKTINFO6:
		fprintf(f, "=%s,%s", escape_devices[device],
			address == UINT8_MAX ? "any" : escape_addresses[address].text);
		break;
	}
}

static void print_payload(FILE *f, const struct escape_step *s)
{
	static const char *const bodies[] = {"", "+length", "+chunked", "+short"};

	for (unsigned i = 0; i < s->n_messages; i++) {
		const struct escape_message *m = &s->messages[i];

		fprintf(f, " %c", m->kind);
		if (m->kind != 'R')
			fprintf(f, "(%s)",
				m->name < ESCAPE_NAMES ? escape_names[m->name] : "no name");
		if (m->kind == 'H')
			fprintf(f, "%s", bodies[m->body]);
		fprintf(f, "[%u]", m->bytes);
	}
	if (s->n_cuts)
		fprintf(f, " in %d pieces", s->n_cuts + 1);
	if (s->flags)
		fprintf(f, "%s%s%s%s", s->flags & MSG_OOB ? " OOB" : "",
			s->flags & MSG_MORE ? " MORE" : "",
			s->flags & MSG_DONTROUTE ? " DONTROUTE" : "",
			s->flags & MSG_FASTOPEN ? " FASTOPEN" : "");
	for (unsigned i = 0; i < s->n_cmsgs; i++) {
		fprintf(f, " with");
		print_value(f, &escape_cmsgs[s->cmsgs[i].which], s->cmsgs[i].device,
			    s->cmsgs[i].address, s->cmsgs[i].value);
	}
}

void escape_print(FILE *f, const struct escape_program *p, uint64_t skip)
{
	static const char *const types[] = {"tcp", "udp", "ping"};

	for (unsigned i = 0; i < p->n; i++) {
		const struct escape_step *s = &p->steps[i];

		if (skip & (1ull << i))
			continue;
		fprintf(f, "  %2u %ss%u %s", i, s->async ? "(thread) " : "", s->slot,
			ops[s->op].text);
		if (s->op == OP_SOCKET)
			fprintf(f, " %s%s", types[s->type], s->v6 ? "6" : "4");
		if (s->op == OP_BIND || s->op == OP_CONNECT || s->op == OP_SEND_TO ||
		    (s->op == OP_TWIN && s->both))
			print_to(f, s);
		if (s->op == OP_OPTION)
			print_value(f, &escape_options[s->option], s->device, s->address, s->value);
		if (s->op == OP_RANDOM_OPTION)
			fprintf(f, " level %d name %d value 0x%x", s->level, s->name, s->value);
		if (s->op == OP_SEND || s->op == OP_SEND_TO)
			print_payload(f, s);
		if (s->op == OP_ACCEPT || s->op == OP_BIND_AS || s->op == OP_CONNECT_AS ||
		    s->op == OP_TWIN)
			fprintf(f, " s%u", s->other);
		if (s->op == OP_TWIN)
			fprintf(f, " %s%s%s", s->both ? "both, the other by a0, this by " : "by ",
				escape_devices[s->device],
				s->value ? " with TCP_FASTOPEN_CONNECT" : "");
		if (s->op == OP_SHUTDOWN || s->op == OP_PAUSE || s->op == OP_LOOKUP)
			fprintf(f, " %u", s->value);
		fprintf(f, "%s\n", s->wait ? " and wait" : "");
	}
}
