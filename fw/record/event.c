// SPDX-License-Identifier: GPL-2.0-or-later
#include "fw/record/event.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fw/record/denial_text.h"
#include "policy/base/dns_types.h"
#include "policy/base/rights.h"
#include "policy/profile.h"

/* s is printable. JSON's strings stand in double quotes, where a shell obeys `$` and backquotes; and
 * a shell reads the log where it reads all files of the log's directory. */
static json_t *no_orders(const char *s)
{
	size_t bytes = 4 * strlen(s) + 1, n = 0;
	json_t *o;
	char *buf;

	if (!strpbrk(s, "$`"))
		return json_string(s);
	buf = malloc(bytes);
	for (; buf && *s; s++)
		n += (size_t)snprintf(buf + n, bytes - n, *s == '$' || *s == '`' ? "\\x%02x" : "%c",
				      *s);
	o = buf ? json_string(buf) : NULL;
	free(buf);
	return o;
}

/* Escapes all but printable ASCII: jansson takes valid UTF-8 only, and people read the log in
 * terminals. */
static json_t *text(const char *s)
{
	char buf[4 * 4096 + 1];

	return no_orders(str_escape(buf, sizeof(buf), s, strlen(s)));
}

/* Text that the engine has escaped; checked again, for the engine may have been taken over. */
static json_t *escaped(const char *s)
{
	for (const char *p = s; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			return text(s);
	return no_orders(s);
}

static json_t *timestamp(uint64_t ns)
{
	time_t s = (time_t)(ns / 1000000000u);
	struct tm tm = {0};
	char date[32], buf[64];

	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf, sizeof(buf), "%s.%09uZ", date, (unsigned)(ns % 1000000000u));
	return json_string(buf);
}

static void event_put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new_nocheck(o, key, value); /* takes value even when it fails */
}

static void put_number(json_t *o, const char *key, uint64_t n)
{
	event_put(o, key, json_integer((json_int_t)n));
}

/* A sub-object, put into o. */
static json_t *sub(json_t *o, const char *key)
{
	json_t *s = json_object();

	event_put(o, key, s);
	return s;
}

static json_t *event_head(uint64_t now_ns, const char *id, const char *kind,
			  const char *category_name, const char *action, json_t **ret_event)
{
	json_t *o = json_object(), *ev, *category = json_array();

	event_put(o, "@timestamp", timestamp(now_ns));
	ev = sub(o, "event");
	event_put(ev, "id", json_string(id));
	event_put(ev, "kind", json_string(kind));
	json_array_append_new(category, json_string(category_name));
	event_put(ev, "category", category);
	event_put(ev, "action", json_string(action));
	*ret_event = ev;
	return o;
}

static void put_rule(json_t *a, const struct record_fence *f, const struct denial *d)
{
	const char *file = f->policy ? policy_file(f->policy) : NULL;
	struct rule rule = {0};
	char place[4096 + 16];

	if (!f->policy || d->rule >= policy_rules(f->policy)) {
		event_put(a, "rule", json_null());
		return;
	}
	policy_rule(f->policy, d->rule, &rule);
	snprintf(place, sizeof(place), "%s:%u", file ? file : "", rule.line);
	event_put(a, "rule", text(place));
	if (rule.reason)
		event_put(a, "rule_reason", text(rule.reason));
	if (rule.broad)
		event_put(a, "broad", json_true());
}

static void put_capture(json_t *a, uint64_t packet)
{
	json_t *c;

	json_object_del(a, "capture");
	if (!packet)
		return;
	c = sub(a, "capture");
	event_put(c, "file", json_string(RECORD_CAPTURE));
	put_number(c, "packet", packet);
}

static void put_agentfw(json_t *o, const struct record_fence *f, const struct denial *d,
			uint64_t packet, enum attribution attribution)
{
	static const char *const how[] = {"none", "fence", "exact"};
	json_t *a = sub(o, "agentfw");
	char line[1024];

	event_put(a, "fence", text(f->name));
	if (f->tool)
		event_put(a, "tool", text(f->tool));
	event_put(a, "code", json_string(denial_code_name(d->code)));
	put_rule(a, f, d);
	if (d->endpoint[0])
		event_put(a, "endpoint", escaped(d->endpoint));
	if (d->name[0])
		event_put(a, "name", escaped(d->name));
	if (d->detail[0])
		event_put(a, "detail", escaped(d->detail));
	if (denial_suggest(d, f->policy, line, sizeof(line)))
		event_put(a, "suggest", escaped(line));
	event_put(a, "attribution", json_string(how[attribution]));
	if (f->policy && policy_file(f->policy))
		event_put(a, "policy", text(policy_file(f->policy)));
	put_capture(a, packet);
}

void event_process(json_t *event, const struct process_info *who)
{
	json_t *p = sub(event, "process"), *user = sub(event, "user");
	char uid[16];

	put_number(p, "pid", (uint64_t)who->pid);
	event_put(p, "executable", text(who->exe));
	event_put(p, "command_line", text(who->cmdline));
	event_put(p, "name", text(who->name));
	snprintf(uid, sizeof(uid), "%u", who->uid);
	event_put(user, "id", json_string(uid));
}

static bool has_ports(const struct denial *d)
{
	return d->l4proto == IPPROTO_TCP || d->l4proto == IPPROTO_UDP || d->sport || d->dport;
}

static void put_end(json_t *o, const char *key, const struct denial *d, const struct addr *a,
		    uint16_t port, const char *domain)
{
	char addr[ADDR_STRLEN];
	json_t *end;

	if (!a->family && !domain)
		return;
	end = sub(o, key);
	if (a->family)
		event_put(end, "ip", json_string(addr_format(a, addr)));
	if (a->family && has_ports(d))
		put_number(end, "port", port);
	if (domain)
		event_put(end, "domain", escaped(domain));
}

static void put_network(json_t *o, const struct denial *d)
{
	json_t *n = sub(o, "network"), *icmp;
	char number[16];
	const char *transport = number;

	snprintf(number, sizeof(number), "%u", d->l4proto);
	if (d->l4proto == IPPROTO_TCP)
		transport = "tcp";
	else if (d->l4proto == IPPROTO_UDP)
		transport = "udp";
	else if (d->l4proto == IPPROTO_ICMP)
		transport = "icmp";
	else if (d->l4proto == IPPROTO_ICMPV6)
		transport = "ipv6-icmp";
	event_put(n, "transport", json_string(transport));
	if (d->dst.family)
		event_put(n, "type", json_string(d->dst.family == 6 ? "ipv6" : "ipv4"));
	event_put(n, "direction", json_string(d->inbound ? "ingress" : "egress"));
	if (d->l4proto != IPPROTO_ICMP && d->l4proto != IPPROTO_ICMPV6)
		return;
	icmp = sub(n, "icmp");
	put_number(icmp, "type", d->icmp_type);
	put_number(icmp, "code", d->icmp_code);
}

static void put_dns(json_t *o, const struct denial *d)
{
	json_t *q = sub(sub(o, "dns"), "question");
	char type[DNS_TYPE_STRLEN];

	event_put(q, "name", escaped(d->name));
	event_put(q, "type", json_string(dns_type_name(d->qtype, type)));
}

json_t *event_denial(const struct record_fence *f, const struct denial *d, uint64_t packet,
		     enum attribution attribution, const struct process_info *who, const char *id)
{
	char reason[1024], uid[16];
	json_t *ev, *o = event_head(d->time_ns, id, "event", "network",
				    d->would ? "would_deny" : "denied", &ev);

	event_put(ev, "reason", escaped(denial_reason(d, f->policy, reason, sizeof(reason))));
	put_number(ev, "count", 1);
	put_agentfw(o, f, d, packet, attribution);
	if (who) {
		event_process(o, who);
	} else if (d->uid != UINT32_MAX) {
		snprintf(uid, sizeof(uid), "%u", d->uid);
		event_put(sub(o, "user"), "id", json_string(uid));
	}
	put_end(o, "source", d, &d->src, d->sport, NULL);
	put_end(o, "destination", d, &d->dst, d->dport, d->name[0] ? d->name : NULL);
	put_network(o, d);
	if (d->dns)
		put_dns(o, d);
	return o;
}

void event_repeats(json_t *event, uint64_t count, uint64_t start_ns, uint64_t end_ns,
		   uint64_t packet, const char *id)
{
	json_t *ev = json_object_get(event, "event"), *source = json_object_get(event, "source");

	event_put(event, "@timestamp", timestamp(end_ns));
	event_put(ev, "id", json_string(id));
	put_number(ev, "count", count);
	event_put(ev, "start", timestamp(start_ns));
	event_put(ev, "end", timestamp(end_ns));
	put_capture(json_object_get(event, "agentfw"), packet);
	if (source) /* each repeat has its own port */
		json_object_del(source, "port");
}

/* Programs that run whatever they are given, in profiles that allow them: the list of programs then
 * limits little. */
static void put_broad(json_t *a, const struct policy *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < policy_profiles(p); i++) {
		struct profile_path path;
		struct profile profile;
		char line[4096 + 64];

		policy_profile(p, i, &profile);
		for (size_t k = 0; k < profile.n_paths; k++) {
			profile_path(p, i, k, &path);
			if (!path.broad)
				continue;
			snprintf(line, sizeof(line), "%s: %s",
				 profile.name ? profile.name : "agent", path.path);
			json_array_append_new(list, text(line));
		}
	}
	if (json_array_size(list))
		event_put(a, "broad", list);
	else
		json_decref(list);
}

json_t *event_state(const struct record_fence *f, const char *action, const uint64_t *allowed,
		    const uint64_t *refused, uint64_t now_ns, const char *id)
{
	json_t *ev, *o = event_head(now_ns, id, "state", "network", action, &ev),
		    *a = sub(o, "agentfw"), *s;

	event_put(a, "fence", text(f->name));
	if (f->tool)
		event_put(a, "tool", text(f->tool));
	if (f->command)
		event_put(a, "command", text(f->command));
	if (f->policy && policy_file(f->policy))
		event_put(a, "policy", text(policy_file(f->policy)));
	if (f->policy && strcmp(action, "fence_started") == 0)
		put_broad(a, f->policy);
	if (f->lacks && strcmp(action, "fence_started") == 0)
		event_put(a, "lacks", text(f->lacks));
	if (!allowed && !refused)
		return o;
	s = sub(a, "summary");
	if (allowed)
		put_number(s, "allowed", *allowed);
	if (refused)
		put_number(s, "refused", *refused);
	return o;
}

json_t *event_lost(uint64_t n, const char *why, uint64_t now_ns, const char *id)
{
	json_t *ev, *o = event_head(now_ns, id, "metric", "network", "lost", &ev);

	event_put(ev, "reason", text(why));
	put_number(sub(o, "agentfw"), "lost", n);
	return o;
}

/* ---- files and programs ---------------------------------------------------------------------- */

/* The gravest of the rights. */
static const char *file_code(uint32_t right)
{
	return right & RIGHT_EXEC     ? "file-exec"
	       : right & RIGHT_WRITE  ? "file-write"
	       : right & RIGHT_READ   ? "file-read"
	       : right & RIGHT_SOCKET ? "socket"
	       : right & RIGHT_SIGNAL ? "signal"
				      : "other";
}

static const char *file_reason(const struct ctl_denied_file *m, char *buf, size_t bytes)
{
	const char *who = m->tool[0] ? "the tool" : "the agent";
	const char *verb = m->rights & RIGHT_EXEC    ? "run"
			   : m->rights & RIGHT_WRITE ? "write"
			   : m->rights & RIGHT_READ  ? "read"
						     : NULL;

	if (m->rights & RIGHT_SIGNAL)
		snprintf(buf, bytes, "%s may signal no process outside its box", who);
	else if (m->rights & RIGHT_SOCKET)
		snprintf(buf, bytes, "%s may reach no abstract socket outside its box", who);
	else if (verb)
		snprintf(buf, bytes, "the profile of %s does not let it %s this", who, verb);
	else
		snprintf(buf, bytes, "%s may not do this in its box", who);
	return buf;
}

static void put_file_agentfw(json_t *o, const struct ctl_denied_file *m)
{
	json_t *a = sub(o, "agentfw");
	char words[RIGHTS_STRLEN];

	if (m->fence[0])
		event_put(a, "fence", text(m->fence));
	if (m->tool[0])
		event_put(a, "tool", text(m->tool));
	event_put(a, "code", json_string(file_code(m->rights)));
	event_put(a, "right", json_string(rights_words(m->rights, words)));
	event_put(a, "access", escaped(m->access));
	if (m->suggest[0])
		event_put(a, "suggest", escaped(m->suggest));
	event_put(a, "attribution",
		  json_string(!m->exe[0] ? "none"
			      : m->exact ? "exact"
					 : "fence"));
	event_put(a, "policy", text(m->policy));
}

json_t *event_file(const struct ctl_denied_file *m, const char *id)
{
	bool repeat = m->flags & CTL_DENIED_REPEAT;
	const char *action = m->flags & CTL_DENIED_WOULD ? "would_deny" : "denied";
	char reason[200], uid[16];
	json_t *ev, *o, *p, *f;

	o = event_head(repeat ? m->until_ns : m->time_ns, id, "event", "file", action, &ev);
	event_put(ev, "reason", json_string(file_reason(m, reason, sizeof(reason))));
	put_number(ev, "count", m->count);
	if (repeat) {
		event_put(ev, "start", timestamp(m->time_ns));
		event_put(ev, "end", timestamp(m->until_ns));
	}
	put_file_agentfw(o, m);
	f = sub(o, "file");
	event_put(f, "path", text(m->path));
	if (m->flags & CTL_DENIED_DIR)
		event_put(f, "type", json_string("dir"));
	if (m->exe[0]) {
		p = sub(o, "process");
		put_number(p, "pid", m->pid);
		event_put(p, "executable", text(m->exe));
		event_put(p, "name", text(m->comm));
	}
	if (m->uid != UINT32_MAX) {
		snprintf(uid, sizeof(uid), "%u", m->uid);
		event_put(sub(o, "user"), "id", json_string(uid));
	}
	return o;
}
