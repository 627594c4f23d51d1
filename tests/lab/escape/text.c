// SPDX-License-Identifier: GPL-2.0-or-later
/* A program as people read it. */
#include "tests/lab/escape/escape.h"

#include <sys/socket.h>

static void print_port(FILE *f, uint8_t port)
{
	if (port >= ESCAPE_OWN_PORT)
		fprintf(f, ":own%d", port - ESCAPE_OWN_PORT);
	else if (port == ESCAPE_RESOLVER_PORT || port == ESCAPE_OTHER_RESOLVER_PORT)
		fprintf(f, port == ESCAPE_RESOLVER_PORT ? ":resolver" : ":other_resolver");
	else
		fprintf(f, ":%u", escape_ports[port]);
}

static void print_to(FILE *f, const struct escape_to *to)
{
	fprintf(f, " %s%%%s", escape_addresses[to->address].text, escape_devices[to->scope]);
	print_port(f, to->port);
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
		if (m->kind == 'H' || m->kind == 'T')
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

static void print_others(FILE *f, const struct escape_step *s)
{
	static const char *const where[] = {"", "", " at all addresses", " at another address:"};

	fprintf(f, " %s%u", s->fenced ? "in the other fence, " : "", s->guest);
	if (s->op == OP_GIVE) {
		fprintf(f, "%s", where[s->value % 4]);
		if (s->value % 4 == 3)
			print_to(f, &s->to);
	}
	if (s->op == OP_OUTSIDER) {
		fprintf(f, " %s%s", s->type == TYPE_TCP ? "tcp" : "udp", s->v6 ? "6" : "4");
		print_to(f, &s->to);
		if (s->client) {
			fprintf(f, " to");
			print_to(f, &s->peer);
		}
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
			escape_op_text(s->op));
		if (s->op == OP_SOCKET)
			fprintf(f, " %s%s", types[s->type], s->v6 ? "6" : "4");
		if (s->op == OP_BIND || s->op == OP_CONNECT || s->op == OP_SEND_TO ||
		    (s->op == OP_TWIN && s->both))
			print_to(f, &s->to);
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
		if (s->op == OP_GIVE || s->op == OP_OUTSIDER || s->op == OP_LEAVE)
			print_others(f, s);
		fprintf(f, "%s\n", s->wait ? " and wait" : "");
	}
}
