/* agentctl status: the fences there are. Exit status 3 when no daemon runs. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agentctl/ctl.h"
#include "policy/base/cleanup.h"

#define EXIT_NOT_RUNNING 3

static const char *str(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "?";
}

static long long num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void show(const json_t *root)
{
	const json_t *engine = json_object_get(root, "engine"),
		     *kernel = json_object_get(root, "kernel");
	json_t *f, *fences = json_object_get(root, "fences");
	size_t i;

	printf("agentfwd %s, pid %lld, engine %lld (%lld restarts); queue: %s, rules: %s\n",
	       str(root, "version"), num(root, "pid"), num(engine, "pid"), num(engine, "restarts"),
	       str(kernel, "queue"),
	       json_is_true(json_object_get(kernel, "owner")) ? "owned" : "not owned");
	if (!json_array_size(fences)) {
		puts("no fence");
		return;
	}
	printf("\n%-24s %-8s %9s %9s %6s  %s\n", "FENCE", "MODE", "ALLOWED", "REFUSED", "LOST",
	       "COMMAND");
	json_array_foreach(fences, i, f)
	{
		char command[200];
		const char *c = str(f, "command");
		bool audit = strcmp(str(f, "mode"), "audit") == 0;

		printf("%-24s %-8s %9lld %9lld %6lld  %s\n", str(f, "name"), str(f, "mode"),
		       num(f, "allowed"), num(f, audit ? "would_deny" : "refused"), num(f, "lost"),
		       str_escape(command, sizeof(command), c, strlen(c)));
	}
}

int cmd_status(int argc, char **argv)
{
	bool as_json = argc == 2 && strcmp(argv[1], "--json") == 0;
	_cleanup_free_ struct ctl_text *text = calloc(1, sizeof(*text));
	_cleanup_close_ int fd = -1;
	struct ctl_head ask;
	struct err e = {0};
	json_t *root;

	if (argc > 1 && !as_json)
		return ctl_usage("status", NULL);
	fd = client_connect(false, &e);
	if (fd == -ENOENT) {
		puts(as_json ? "{\"fences\":[]}"
			     : "no agentfwd runs in this network namespace: no fence");
		return EXIT_NOT_RUNNING;
	}
	if (fd < 0 || !text || client_send(fd, &ask, sizeof(ask), CTL_STATUS, -1, &e) < 0 ||
	    client_receive(fd, text, sizeof(*text), CTL_STATUS_TEXT, &e) < 0)
		return ctl_fail(&e);
	text->text[sizeof(text->text) - 1] = '\0';
	if (as_json) {
		puts(text->text);
		return 0;
	}
	root = json_loads(text->text, 0, NULL);
	if (root)
		show(root);
	json_decref(root);
	return root ? 0 : EXIT_CTL;
}
