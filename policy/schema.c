/* The grammar of a policy file: which keys there are, and what each of them means. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy/compile.h"
#include "policy/lint.h"
#include "policy/suffix.h"
#include "policy/yaml.h"

#define DEFAULT_AUDIT_DIR "/var/log/agentfw"
#define PIN_MAX           16 /* addresses of one name: what fits into an answer of 512 bytes */
#define SERVERS_MAX       16 /* a resolver asks them in turn; more only delays its failure */
#define ADDRESSES_MAX     256

struct load {
	struct compile *c;
	const char *file;
	bool version;
	size_t n_servers;
	struct pins pins;
	int failed; /* out of memory, or over a limit */
	char *user, *audit_dir;
};

static void keep(struct load *l, int r)
{
	if (r < 0 && !l->failed)
		l->failed = r;
}

static void not_yet(struct yaml *y, const char *what, const char *hint)
{
	yaml_error(y, 0, hint, "this build does not enforce %s yet, and refuses to ignore it",
		   what);
}

/* ---- endpoints
 * ----------------------------------------------------------------------------------- */

struct item {
	struct load *l;
	bool deny, have_to;
	struct endpoint ep;
	char *to, *reason;
	unsigned line, col;
	yaml_scalar_style_t style; /* of `to` */
	bool broad, ech_allow;
	struct prefix addresses[ADDRESSES_MAX];
	size_t n_addresses;
};

static const struct policy_group *find_group(const char *name)
{
	for (size_t i = 0; i < policy_groups_n; i++)
		if (strcmp(policy_groups[i].name, name) == 0)
			return &policy_groups[i];
	return NULL;
}

static void add_rule(struct load *l, const struct endpoint *ep, const struct item *it,
		     const char *group)
{
	const struct compile_rule r = {
	    .deny = it->deny,
	    .broad = it->broad,
	    .ech_allow = it->ech_allow,
	    .line = it->line,
	    .col = it->col,
	    .group = group,
	    .reason = it->reason,
	    .addresses = it->addresses,
	    .n_addresses = it->n_addresses,
	    .any = it->deny && !group && !ep->scheme_written && !it->ep.n_ports,
	};

	keep(l, compile_rule(l->c, ep, &r));
}

static void add_group(struct load *l, const struct item *it, const struct policy_group *g)
{
	for (size_t i = 0; g->endpoints[i]; i++) {
		struct endpoint ep;

		if (endpoint_parse(g->endpoints[i], strlen(g->endpoints[i]), &ep, NULL, NULL) == 0)
			add_rule(l, &ep, it, g->name);
	}
}

/* A rule that lets more through than its writer may think. NULL: none such. */
static const char *too_broad(const struct endpoint *ep)
{
	switch (ep->host) {
	case HOST_ANY:
		return "'*' allows every host";
	case HOST_PREFIX:
		/* fc00::/7 is the largest block that is somebody's own */
		return ep->prefix.bits < (ep->prefix.addr.family == 4 ? 8 : 7)
			   ? "a prefix as short as this allows a large part of the internet"
			   : NULL;
	case HOST_WILDCARD:
		return suffix_is_public(&ep->name) ? "everybody can get a name under this suffix, "
						     "so the wildcard allows everybody"
						   : NULL;
	case HOST_NAME:
	case HOST_LOCALHOST:
		break;
	}
	return NULL;
}

/* Did the text name a port? (The parser fills in the scheme's default.) */
static bool port_written(const char *text, const struct endpoint *ep)
{
	const char *host = strstr(text, "://"), *colon;

	host = host ? host + 3 : text;
	if (host[0] == '[')
		return strstr(host, "]:") != NULL;
	colon = strchr(host, ':');
	return colon && !(ep->host == HOST_PREFIX && ep->prefix.addr.family == 6);
}

/* The endpoint's text is the current event. */
static void take_endpoint(struct yaml *y, struct item *it)
{
	const char *text = yaml_text(y, NULL), *broad;
	const struct policy_group *g = text && !it->deny ? find_group(text) : NULL;
	struct err e = {0};
	char shown[100];
	size_t at = 0, quote = y->ev.type == YAML_SCALAR_EVENT &&
			       y->ev.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;

	it->have_to = true;
	it->line = yaml_line(y);
	it->col = yaml_col(y);
	if (g) {
		add_group(it->l, it, g);
	} else if (!text) {
		yaml_error(y, 0, "write host, scheme://host:port, or the name of a group",
			   "an endpoint must be text");
	} else if (endpoint_parse(text, strlen(text), &it->ep, &at, &e) < 0) {
		yaml_error(y, at + quote, e.hint, "%s", e.msg);
	} else if (it->ep.scheme == SCHEME_QUIC) {
		not_yet(y, "quic:// endpoints",
			"UDP 443 is refused and clients fall back to https: write that");
	} else if (it->ep.host == HOST_NAME && !it->ep.scheme_written && !strpbrk(text, ".:")) {
		yaml_error(
		    y, quote,
		    "the groups are listed by `agentctl policy groups`; a host of one label is "
		    "written with its scheme: https://name",
		    "there is no group '%s'", str_escape(shown, sizeof(shown), text, strlen(text)));
	} else if (!it->deny && !it->broad && (broad = too_broad(&it->ep))) {
		yaml_error(y, quote,
			   "name the hosts you need; if you mean it: {to: ..., broad: true}",
			   "'%s': %s", text, broad);
	} else {
		struct endpoint ep = it->ep;

		if (!it->deny || port_written(text, &ep))
			it->ep.n_ports = ep.n_ports;
		else
			it->ep.n_ports = 0;
		add_rule(it->l, &ep, it, NULL);
	}
}

/* Bytes over 0x7f are left to those who print. */
static bool printable(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return false;
	return true;
}

static void on_reason(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || !*text || strlen(text) > 300 || !printable(text))
		yaml_error(y, 0, NULL, "a reason is a line of text, at most 300 bytes");
	else if (!it->reason && !(it->reason = strdup(text)))
		keep(it->l, -ENOMEM);
	yaml_skip(y);
}

static void on_address(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);
	struct prefix p;
	char fixed[PREFIX_STRLEN], hint[80] = "write 10.0.0.0/8 or 10.1.2.3";
	int r = text ? prefix_parse(text, strlen(text), &p) : -EINVAL;

	if (r == -ERANGE)
		snprintf(hint, sizeof(hint), "write %s", prefix_format(&p, fixed));
	if (r < 0)
		yaml_error(y, 0, hint, "an address or a prefix is expected");
	else if (it->n_addresses == ADDRESSES_MAX)
		yaml_error(y, 0, "use wider prefixes", "more than %d addresses", ADDRESSES_MAX);
	else
		it->addresses[it->n_addresses++] = p;
	yaml_skip(y);
}

static void on_addresses(struct yaml *y, void *arg)
{
	yaml_list(y, "'addresses'", on_address, arg);
}

static bool choice(struct yaml *y, const char *const *words, size_t n, size_t *ret)
{
	const char *text = yaml_text(y, NULL);

	for (size_t i = 0; text && i < n; i++)
		if (strcmp(text, words[i]) == 0) {
			*ret = i;
			return true;
		}
	return false;
}

static void on_broad(struct yaml *y, void *arg)
{
	static const char *const words[] = {"false", "true"};
	struct item *it = arg;
	size_t i;

	if (!choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'broad' is true or false");
	else
		it->broad = i == 1;
	yaml_skip(y);
}

static void on_ech(struct yaml *y, void *arg)
{
	static const char *const words[] = {"deny", "allow"};
	struct item *it = arg;
	size_t i;

	if (!choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'ech' is deny or allow");
	else
		it->ech_allow = i == 1;
	yaml_skip(y);
}

static void on_tls(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"ech", on_ech}};

	yaml_mapping(y, "'tls'", keys, 1, arg);
}

static void on_quic(struct yaml *y, void *arg)
{
	const char *text = yaml_text(y, NULL);

	if (text && strcmp(text, "check") == 0)
		not_yet(y, "'quic: check'",
			"leave it out: UDP 443 is refused and clients fall back to https");
	else if (!text || strcmp(text, "deny") != 0)
		yaml_error(y, 0, NULL, "'quic' is deny or check");
	yaml_skip(y);
}

/* `to` comes first or last: what the other keys say must be known before the rule is made, so its
 * text and place are kept. */
static void on_to(struct yaml *y, void *arg)
{
	struct item *it = arg;
	const char *text = yaml_text(y, NULL);

	it->have_to = true;
	it->line = yaml_line(y);
	it->col = yaml_col(y);
	if (!text)
		yaml_error(y, 0, NULL, "an endpoint must be text");
	else if (!it->to && !(it->to = strdup(text)))
		keep(it->l, -ENOMEM);
	it->style = text ? y->ev.data.scalar.style : YAML_PLAIN_SCALAR_STYLE;
	yaml_skip(y);
}

/* An entry written as a mapping. The endpoint is taken at the end, as if it stood there alone. */
static void mapping_item(struct yaml *y, struct item *it)
{
	static const struct yaml_key egress[] = {{"to", on_to},
						 {"addresses", on_addresses},
						 {"tls", on_tls},
						 {"quic", on_quic},
						 {"broad", on_broad}};
	static const struct yaml_key deny[] = {{"to", on_to}, {"reason", on_reason}};
	unsigned line = yaml_line(y), col = yaml_col(y);
	struct yaml at = {.diags = y->diags, .ev.type = YAML_SCALAR_EVENT};

	if (it->deny)
		yaml_mapping(y, "this deny entry", deny, 2, it);
	else
		yaml_mapping(y, "this egress entry", egress, 5, it);
	at.broken = y->broken;
	if (!it->have_to) {
		at.ev.start_mark.line = line - 1;
		at.ev.start_mark.column = col - 1;
		yaml_error(&at, 0, "add `to: host`", "the entry has no 'to'");
		return;
	}
	if (!it->to)
		return;
	at.ev.start_mark.line = it->line - 1;
	at.ev.start_mark.column = it->col - 1;
	at.ev.data.scalar.style = it->style;
	at.ev.data.scalar.value = (yaml_char_t *)it->to;
	at.ev.data.scalar.length = strlen(it->to);
	take_endpoint(&at, it);
}

static void on_item(struct yaml *y, struct load *l, bool deny)
{
	struct item it;

	/* not all of it: the addresses are large and a policy has many entries */
	memset(&it, 0, offsetof(struct item, addresses));
	it.n_addresses = 0;
	it.l = l;
	it.deny = deny;
	if (yaml_is(y, YAML_MAPPING_START_EVENT)) {
		mapping_item(y, &it);
		free(it.to);
		free(it.reason);
	} else {
		take_endpoint(y, &it);
		yaml_skip(y);
	}
}

static void on_egress_item(struct yaml *y, void *arg)
{
	on_item(y, arg, false);
}

static void on_deny_item(struct yaml *y, void *arg)
{
	on_item(y, arg, true);
}

static void on_egress(struct yaml *y, void *arg)
{
	yaml_list(y, "'egress'", on_egress_item, arg);
}

static void on_deny(struct yaml *y, void *arg)
{
	yaml_list(y, "'deny'", on_deny_item, arg);
}

/* ---- dns
 * ------------------------------------------------------------------------------------------- */

static void on_server(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);
	struct endpoint ep;
	char udp[80];

	snprintf(udp, sizeof(udp), "udp://%s%s", text ? text : "",
		 text && strchr(text, ':') ? "" : ":53");
	if (text && strlen(text) < 64 &&
	    (endpoint_parse(udp, strlen(udp), &ep, NULL, NULL) == 0 ||
	     (snprintf(udp, sizeof(udp), "udp://[%s]:53", text) > 0 &&
	      endpoint_parse(udp, strlen(udp), &ep, NULL, NULL) == 0)) &&
	    ep.host == HOST_PREFIX && ep.prefix.bits == (ep.prefix.addr.family == 4 ? 32 : 128) &&
	    ep.n_ports == 1) {
		if (l->n_servers++ == SERVERS_MAX)
			yaml_error(y, 0, NULL, "more than %d DNS servers", SERVERS_MAX);
		else
			keep(l, compile_server(l->c, &ep.prefix.addr, ep.ports[0]));
	} else {
		yaml_error(y, 0, "write 10.0.0.2, 10.0.0.2:5353 or [2001:db8::1]:53",
			   "a DNS server is an address");
	}
	yaml_skip(y);
}

static void on_servers(struct yaml *y, void *arg)
{
	yaml_list(y, "'servers'", on_server, arg);
}

struct pin {
	struct load *l;
	struct name name;
	bool named;
	size_t n;
};

static void on_pin_address(struct yaml *y, void *arg)
{
	struct pin *pin = arg;
	const char *text = yaml_text(y, NULL);
	struct addr a;

	if (!text || !addr_parse(text, strlen(text), &a))
		yaml_error(y, 0, "write 10.1.2.7, or [10.1.2.7, \"2001:db8::7\"]",
			   "an address is expected");
	else if (pin->named && pin->n++ == PIN_MAX)
		yaml_error(y, 0, NULL, "more than %d addresses of one name", PIN_MAX);
	else if (pin->named && pin->n <= PIN_MAX)
		keep(pin->l, compile_pin(pin->l->c, &pin->name, &a));
	yaml_skip(y);
}

static void pin_item(struct yaml *y, struct load *l)
{
	struct pin pin = {.l = l};
	const char *text = yaml_text(y, NULL);

	pin.named = text && name_canon(text, strlen(text), &pin.name);
	if (!pin.named)
		yaml_error(y, 0, "a pin is {name: address}; wildcards cannot be pinned",
			   "a host name is expected");
	else
		keep(l, pins_add(&l->pins, &pin.name, yaml_line(y), yaml_col(y)));
	yaml_skip(y);
	if (!yaml_is(y, YAML_SEQUENCE_START_EVENT)) {
		on_pin_address(y, &pin);
		return;
	}
	yaml_next(y);
	if (yaml_is(y, YAML_SEQUENCE_END_EVENT))
		yaml_error(y, 0, "write [10.1.2.7]", "the list of addresses is empty");
	while (!y->broken && !yaml_is(y, YAML_SEQUENCE_END_EVENT))
		on_pin_address(y, &pin);
	yaml_next(y);
}

static void on_hosts(struct yaml *y, void *arg)
{
	if (!yaml_is(y, YAML_MAPPING_START_EVENT)) {
		yaml_error(y, 0, "write {name: address}", "'hosts' must be a mapping");
		yaml_skip(y);
		return;
	}
	yaml_next(y);
	while (!y->broken && !yaml_is(y, YAML_MAPPING_END_EVENT))
		pin_item(y, arg);
	yaml_next(y);
}

static void on_dns(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"servers", on_servers}, {"hosts", on_hosts}};

	yaml_mapping(y, "'dns'", keys, 2, arg);
}

/* ---- the rest
 * -------------------------------------------------------------------------------------- */

static void on_user(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || !*text || strlen(text) > 64 || strpbrk(text, ": \t\n/") || !printable(text))
		yaml_error(y, 0, NULL, "'user' is the name or number of a user");
	else if (!l->user && !(l->user = strdup(text)))
		keep(l, -ENOMEM);
	yaml_skip(y);
}

#define REFUSED(fn, what, hint)                                                                    \
	static void fn(struct yaml *y, void *arg)                                                  \
	{                                                                                          \
		not_yet(y, what, hint);                                                            \
		yaml_skip(y);                                                                      \
	}
REFUSED(no_read, "'read'", "leave it out: the agent keeps its user's file access")
REFUSED(no_write, "'write'", "leave it out: the agent keeps its user's file access")
REFUSED(no_exec, "'exec'", "leave it out: the agent runs what its user may run")
REFUSED(no_deny, "'deny'", "leave it out: the agent keeps its user's file access")
REFUSED(no_env, "'env'", "leave it out: the environment is passed on")
REFUSED(no_limits, "'limits'", "leave it out, or use ulimit(1)")
REFUSED(no_size, "'size'", "leave it out: the capture grows as it needs")
REFUSED(no_files, "'files'", "leave it out: the capture grows as it needs")
REFUSED(no_tools, "'tools'", "leave it out: what the agent may reach holds for its tools")
REFUSED(no_ingress, "'ingress'",
	"leave it out: only the fence itself may connect to listeners inside")

static void on_agent(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {
	    {"user", on_user}, {"read", no_read}, {"write", no_write},  {"exec", no_exec},
	    {"deny", no_deny}, {"env", no_env},   {"limits", no_limits}};

	yaml_mapping(y, "'agent'", keys, sizeof(keys) / sizeof(keys[0]), arg);
}

static void on_version(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);

	if (!text || strcmp(text, "1") != 0)
		yaml_error(y, 0, "write `version: 1`", "this build knows version 1 of the policy");
	l->version = true;
	yaml_skip(y);
}

static void on_mode(struct yaml *y, void *arg)
{
	static const char *const words[] = {"enforce", "audit"};
	struct load *l = arg;
	size_t i;

	if (!choice(y, words, 2, &i))
		yaml_error(y, 0, NULL, "'mode' is enforce or audit");
	else
		compile_mode(l->c, i ? MODE_AUDIT : MODE_ENFORCE);
	yaml_skip(y);
}

static void on_audit_dir(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL), *slash = strrchr(l->file, '/');

	if (!text || !*text || strlen(text) > 2000 || !printable(text))
		yaml_error(y, 0, NULL, "'dir' is the path of a directory");
	else if (text[0] == '~')
		yaml_error(y, 0, "write the whole path", "'~' is not expanded in 'dir'");
	else if (!l->audit_dir &&
		 (text[0] == '/' || !slash ? (l->audit_dir = strdup(text)) == NULL
					   : asprintf(&l->audit_dir, "%.*s/%s",
						      (int)(slash - l->file), l->file, text) < 0))
		keep(l, -ENOMEM);
	yaml_skip(y);
}

static void on_snaplen(struct yaml *y, void *arg)
{
	struct load *l = arg;
	const char *text = yaml_text(y, NULL);
	char *end = NULL;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	if (!text || text[0] < '0' || text[0] > '9' || *end || n < SNAPLEN_MIN || n > SNAPLEN_MAX)
		yaml_error(y, 0, NULL, "'snaplen' is a number of bytes from %d to %d", SNAPLEN_MIN,
			   SNAPLEN_MAX);
	else
		compile_snaplen(l->c, (uint32_t)n);
	yaml_skip(y);
}

static void on_capture(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {
	    {"snaplen", on_snaplen}, {"size", no_size}, {"files", no_files}};

	yaml_mapping(y, "'capture'", keys, 3, arg);
}

static void on_audit(struct yaml *y, void *arg)
{
	static const struct yaml_key keys[] = {{"dir", on_audit_dir}, {"capture", on_capture}};

	yaml_mapping(y, "'audit'", keys, 2, arg);
}

static const struct yaml_key top[] = {
    {"version", on_version}, {"mode", on_mode},   {"egress", on_egress},
    {"deny", on_deny},       {"dns", on_dns},     {"agent", on_agent},
    {"audit", on_audit},     {"tools", no_tools}, {"ingress", no_ingress},
};

static void document(struct yaml *y, struct load *l)
{
	bool mapping;

	yaml_next(y); /* stream */
	yaml_next(y); /* document, or the end of an empty file */
	if (yaml_is(y, YAML_STREAM_END_EVENT)) {
		yaml_error(y, 0, "begin with `version: 1`", "the policy is empty");
		return;
	}
	yaml_next(y);
	mapping = yaml_is(y, YAML_MAPPING_START_EVENT);
	yaml_mapping(y, "the policy", top, sizeof(top) / sizeof(top[0]), l);
	if (!l->version && mapping && !y->broken)
		diags_add(y->diags, false, 1, 1, "write `version: 1` in the first line",
			  "the policy does not say its version");
	yaml_next(y);
	if (!y->broken && !yaml_is(y, YAML_STREAM_END_EVENT))
		yaml_error(y, 0, "one file is one policy", "a second YAML document begins here");
}

static int by_place(const void *a, const void *b)
{
	const struct diag *x = a, *y = b;

	return x->line != y->line ? (x->line < y->line ? -1 : 1)
				  : (x->col > y->col) - (x->col < y->col);
}

static int finish(struct load *l, struct diags *d, void **ret_blob, size_t *ret_bytes)
{
	struct policy *p;
	void *blob;
	int r;

	if ((r = compile_file(l->c, l->file)) < 0 || (r = compile_user(l->c, l->user)) < 0 ||
	    (r = compile_audit_dir(l->c, l->audit_dir ? l->audit_dir : DEFAULT_AUDIT_DIR)) < 0 ||
	    (r = compile_finish(l->c, &blob, ret_bytes)) < 0)
		return r;
	r = policy_open(blob, *ret_bytes, &p, NULL);
	if (r == 0)
		r = lint(p, &l->pins, d);
	if (r == 0)
		policy_free(p);
	if (r < 0)
		free(blob);
	else
		*ret_blob = blob;
	return r;
}

int policy_compile(const char *file_name, const char *text, size_t len, struct diags *d,
		   void **ret_blob, size_t *ret_bytes)
{
	struct load l = {.file = file_name};
	struct yaml y;
	int r;

	*d = (struct diags){0};
	if (len > BLOB_MAX)
		return -E2BIG;
	r = compile_new(&l.c);
	if (r == 0 && (r = yaml_open(&y, text, len, d)) == 0) {
		document(&y, &l);
		yaml_close(&y);
		pins_check(&l.pins, d);
		r = d->n_errors ? -EINVAL : l.failed;
	}
	if (r == 0)
		r = finish(&l, d, ret_blob, ret_bytes);
	if (d->n)
		qsort(d->list, d->n, sizeof(*d->list), by_place);
	free(l.pins.list);
	free(l.user);
	free(l.audit_dir);
	compile_free(l.c);
	return r;
}
