// SPDX-License-Identifier: GPL-2.0-or-later
/* The grammar: a program is a few random steps on up to four sockets. Nothing here knows an attack.
 * What makes steps meet is the program's focus: an address, two ports and a device that most of its
 * steps use. Some programs are about this machine: the address is one of its own, and others come to
 * its ports and go. */
#include "tests/lab/escape/escape.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const struct {
	const char *text;
	uint8_t weight;
	uint8_t here; /* weight in a program about this machine */
} ops[ESCAPE_OPS] = {
    [OP_SOCKET] = {"socket", 6, 6},
    [OP_BIND] = {"bind", 10, 14},
    [OP_BIND_AS] = {"bind_as", 8, 4},
    [OP_CONNECT] = {"connect", 14, 12},
    [OP_CONNECT_AS] = {"connect_as", 4, 2},
    [OP_TWIN] = {"twin", 6, 2},
    [OP_DISCONNECT] = {"disconnect", 3, 7},
    [OP_OPTION] = {"option", 14, 6},
    [OP_RANDOM_OPTION] = {"random_option", 3, 1},
    [OP_SEND] = {"send", 20, 16},
    [OP_SEND_TO] = {"send_to", 16, 30},
    [OP_LISTEN] = {"listen", 6, 5},
    [OP_ACCEPT] = {"accept", 2, 2},
    [OP_RECEIVE] = {"receive", 2, 1},
    [OP_SHUTDOWN] = {"shutdown", 1, 1},
    [OP_RESET] = {"reset", 2, 2},
    [OP_CLOSE] = {"close", 2, 3},
    [OP_GIVE] = {"give", 1, 7},
    [OP_OUTSIDER] = {"outsider", 1, 6},
    [OP_LEAVE] = {"leave", 0, 3},
    [OP_LOOKUP] = {"lookup", 1, 1},
    [OP_PAUSE] = {"pause", 2, 2},
};

const char *escape_op_text(uint8_t op)
{
	return ops[op].text;
}

/* splitmix64 */
uint64_t escape_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* Of 20: how often a type of socket is. */
enum { USUAL_UDP = 11, USUAL_PING = 19 };

struct gen {
	uint64_t state;
	bool to_name_device; /* the next step of this socket's */
	bool made[ESCAPE_SLOTS], v6[ESCAPE_SLOTS];
	uint8_t type[ESCAPE_SLOTS];
	uint8_t twin, twin_of; /* of the step before: a socket that was bound as another one */
	uint8_t busy[2];       /* slots, from 1, that were just made: they send next, mostly */
	uint8_t focus_address[2], focus_port[2], focus_device;
	char focus_kind;
	/* The program is about this machine: who has which of its addresses and ports, and who else. */
	bool here, usual_v6;
	uint8_t gave;    /* the step before: a slot, from 1, whose port is somebody else's now */
	uint8_t to_bind; /* a slot, from 1, that was just made */
	uint8_t bound[ESCAPE_SLOTS]; /* from 1: a port of escape_ports */
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

static uint8_t port_numbered(uint16_t port)
{
	for (unsigned i = 0; i < escape_n_ports; i++)
		if (escape_ports[i] == port)
			return (uint8_t)i;
	abort();
}

static uint8_t any_port(struct gen *g)
{
	return chance(g, 30) ? (uint8_t)(ESCAPE_OWN_PORT + below(g, ESCAPE_OWN_PORTS))
			     : (uint8_t)below(g, g->here || chance(g, 10) ? escape_n_ports
									  : ESCAPE_FIRST_HERE);
}

static uint8_t a_port(struct gen *g)
{
	if (g->here && chance(g, 90))
		return g->focus_port[chance(g, 50)];
	return chance(g, 75) ? g->focus_port[chance(g, 25)] : any_port(g);
}

static uint8_t a_device(struct gen *g)
{
	return chance(g, 40)   ? g->focus_device
	       : chance(g, 70) ? (uint8_t)(1 + below(g, 2))
			       : (uint8_t)below(g, ESCAPE_DEVICES);
}

/* One of this machine's. */
static uint8_t own_address(struct gen *g, bool v6)
{
	static const char *const own[2][4] = {{"127.0.0.1", "198.51.100.2", "127.9.9.9", "0.0.0.0"},
					      {"::1", "2001:db8:1::2", "2001:db8:1::2", "::"}};

	return address_named(own[v6 && chance(g, 65)][below(g, 4)]);
}

static uint8_t an_address(struct gen *g, bool v6, bool bind)
{
	unsigned which = v6 && !chance(g, 35);

	if (g->here && chance(g, bind ? 65 : 15))
		return own_address(g, v6);
	if (chance(g, g->here ? 80 : bind ? 10 : 65))
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

		m->kind = !stream         ? (g->here && chance(g, 35) ? 'Q' : 'R')
			  : chance(g, 75) ? g->focus_kind
					  : "RHT"[below(g, 3)];
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

	if (g->here && chance(g, 60))
		return g->focus_address[v6 && chance(g, 65)];
	if (chance(g, 35))
		return any_address(g, v6, true);
	return address_named(own[v6 && chance(g, 65)][chance(g, 25)]);
}

static void control(struct gen *g, struct escape_step *s)
{
	s->n_cmsgs = (uint8_t)(chance(g, 60) ? 1 + chance(g, 15) : 0);
	for (unsigned i = 0; i < s->n_cmsgs; i++) {
		struct escape_cmsg *c = &s->cmsgs[i];

		/* the same messages name a source */
		g->to_name_device = g->here && chance(g, 80);
		c->which = pick_option(g, escape_cmsgs, escape_n_cmsgs, s->v6, s->type);
		g->to_name_device = false;
		c->device = g->here && chance(g, 80) ? 0 : a_device(g);
		c->address = chance(g, 30)
				 ? UINT8_MAX
				 : source(g, escape_cmsgs[c->which].level == IPPROTO_IPV6);
		c->value = a_value(g);
	}
}

/* Two sockets of a program about this machine have the two ports, and send to each other's. */
static uint8_t a_port_here(struct gen *g, uint8_t slot, bool bind)
{
	for (unsigned i = 0; i < 2; i++)
		for (unsigned other = 0; other < ESCAPE_SLOTS; other++)
			if ((other == slot) != bind && g->bound[other] == g->focus_port[i] + 1)
				return g->focus_port[!i];
	return a_port(g);
}

static void destination(struct gen *g, struct escape_step *s, bool bind)
{
	s->to.address = an_address(g, s->v6, bind);
	s->to.port = g->here && chance(g, 60) ? a_port_here(g, s->slot, bind) : a_port(g);
	s->to.scope = a_device(g);
	if (bind)
		g->bound[s->slot] = (uint8_t)(s->to.port + 1);
}

/* Others come to this machine's addresses. */
static void others(struct gen *g, struct escape_step *s)
{
	s->fenced = chance(g, 25);
	s->guest = (uint8_t)below(g, ESCAPE_GUESTS);
	s->value = below(g, 8);
	s->wait = chance(g, 80);
	s->to = (struct escape_to){own_address(g, s->v6), a_port(g), 0};
	if (s->op != OP_OUTSIDER)
		return;
	s->client = chance(g, 25);
	/* a connection beyond this machine would be seen as the fence's */
	s->peer.address = s->type == TYPE_TCP ? own_address(g, s->v6) : an_address(g, s->v6, false);
	s->peer.port = a_port(g);
}

static void random_option(struct gen *g, struct escape_step *s)
{
	static const int levels[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP,
				     IPPROTO_UDP};

	s->level = levels[below(g, 5)];
	s->name = (int)below(g, 90);
	s->device = a_device(g);
	s->value = a_value(g);
}

static void a_twin(struct gen *g, struct escape_step *s)
{
	s->device = a_device(g);
	s->value = below(g, 2);
	s->wait = chance(g, 30);
	s->both = chance(g, 60);
	destination(g, s, false);
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
		random_option(g, s);
		break;
	case OP_SEND:
		payload(g, s, s->type == TYPE_TCP);
		if (s->type == TYPE_UDP && chance(g, 50))
			control(g, s);
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
		a_twin(g, s);
		break;
	case OP_ACCEPT:
	case OP_BIND_AS:
	case OP_CONNECT_AS:
		s->other = (uint8_t)below(g, ESCAPE_SLOTS);
		s->wait = chance(g, 60);
		break;
	case OP_GIVE:
	case OP_OUTSIDER:
	case OP_LEAVE:
		others(g, s);
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
		total += g->here ? ops[i].here : ops[i].weight;
	pick = below(g, total);
	for (unsigned i = 0;; i++) {
		const unsigned w = g->here ? ops[i].here : ops[i].weight;

		if (pick < w)
			return (uint8_t)i;
		pick -= w;
	}
}

static void new_socket(struct gen *g, struct escape_step *s, unsigned usual)
{
	const unsigned t = chance(g, 80) ? usual : below(g, 20);

	s->op = OP_SOCKET;
	s->async = false;
	g->made[s->slot] = true;
	g->bound[s->slot] = 0;
	g->v6[s->slot] = g->here && chance(g, 70) ? g->usual_v6 : chance(g, 55);
	g->type[s->slot] = t < USUAL_UDP ? TYPE_TCP : t < USUAL_PING ? TYPE_UDP : TYPE_PING;
}

/* Of this machine: one place where somebody else is or was, and one that a rule, or the fence's
 * resolver, makes a way to. */
static void focus_here(struct gen *g)
{
	static const char *const addresses[][2] = {{"127.0.0.1", "::1"},
						   {"127.0.0.1", "::1"},
						   {"198.51.100.2", "2001:db8:1::2"},
						   {"127.9.9.9", "::1"}};
	static const uint16_t taken[] = {4001, 1234, 4004, 4002},
			      open[] = {8125, 8125, 8125, 11435, 11434, 53};
	const char *const *a = addresses[below(g, 4)];

	g->here = true;
	g->usual_v6 = chance(g, 50);
	for (unsigned i = 0; i < 2; i++)
		g->focus_address[i] = address_named(a[i]);
	g->focus_port[0] = chance(g, 35) ? port_numbered(taken[below(g, 4)]) : any_port(g);
	g->focus_port[1] = chance(g, 25)   ? ESCAPE_RESOLVER_PORT
			   : chance(g, 80) ? port_numbered(open[below(g, 6)])
					   : any_port(g);
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
	if (chance(g, 20))
		focus_here(g);
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

/* What, and of which socket: any, or what goes on with the step before. */
static void pick_step(struct gen *g, struct escape_step *s, unsigned slots, unsigned usual)
{
	s->op = pick_op(g);
	s->slot = any_slot(g, slots);
	if (!g->made[s->slot] || s->op == OP_SOCKET) {
		new_socket(g, s, usual);
	} else if (g->to_bind && chance(g, 70)) {
		s->op = OP_BIND;
		s->slot = (uint8_t)(g->to_bind - 1);
	} else if (g->gave && chance(g, 60)) {
		s->op = OP_SEND_TO;
		for (unsigned i = 0; i < ESCAPE_SLOTS; i++)
			if (g->made[i] && i != g->gave - 1u)
				s->slot = (uint8_t)i;
	} else if (g->busy[0] && chance(g, 60)) {
		s->op = OP_SEND;
		s->slot = (uint8_t)(g->busy[0] - 1);
		g->busy[0] = g->busy[1];
		g->busy[1] = 0;
	} else if (g->twin && chance(g, 60)) {
		s->op = OP_CONNECT_AS;
		s->slot = (uint8_t)(g->twin - 1);
	}
	/* what does nothing on a UDP socket, mostly */
	if (g->here && g->type[s->slot] == TYPE_UDP && chance(g, 75) &&
	    (s->op == OP_LISTEN || s->op == OP_ACCEPT || s->op == OP_SHUTDOWN ||
	     (s->op == OP_SEND && chance(g, 60)) || (s->op == OP_BIND && g->bound[s->slot])))
		s->op = OP_SEND_TO;
	g->gave = s->op == OP_GIVE ? (uint8_t)(s->slot + 1) : 0;
	g->to_bind = g->here && s->op == OP_SOCKET ? (uint8_t)(s->slot + 1) : 0;
	s->v6 = g->v6[s->slot];
	s->type = g->type[s->slot];
}

void escape_generate(uint64_t seed, uint32_t k, struct escape_program *p)
{
	struct gen g = {.state = seed * 0x2545f4914f6cdd1du + k};
	unsigned slots, usual, length, least;
	bool named;

	escape_random(&g.state);
	memset(p, 0, sizeof(*p));
	focus(&g);
	/* most programs have one type of socket */
	usual = g.here && chance(&g, 60) ? USUAL_UDP : below(&g, 20);
	slots = 1 + below(&g, ESCAPE_SLOTS);
	if (slots > 1 && chance(&g, 50))
		listener(&g, p, (uint8_t)--slots, usual);
	least = g.here ? 8 : 4;
	/* nor does this program's first socket name a device at once */
	named = g.here || chance(&g, 60);
	for (length = p->n + least + below(&g, ESCAPE_STEPS + 1 - least - p->n); p->n < length;
	     p->n++) {
		struct escape_step *s = &p->steps[p->n];

		pick_step(&g, s, slots, usual);
		s->async = s->op != OP_SOCKET && p->n > 0 && chance(&g, 10);
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
