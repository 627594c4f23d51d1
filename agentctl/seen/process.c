// SPDX-License-Identifier: GPL-2.0-or-later
/* The process of a box that has only one: the kernel's record of a refusal may not name it. */
#include "agentctl/seen/process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define THREADS_MAX 256

/* Up to two children of all its threads; returns how many, 2 for more or unknown. */
static int children(pid_t pid, pid_t ret[2])
{
	char path[64];
	int n = 0, threads = 0;
	const struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	d = opendir(path);
	while (d && n < 2 && threads++ < THREADS_MAX && (e = readdir(d))) {
		_cleanup_fclose_ FILE *f = NULL;
		char name[sizeof(path) + 280];

		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(name, sizeof(name), "%s/%s/children", path, e->d_name);
		f = fopen(name, "re");
		while (f && n < 2 && fscanf(f, "%d", &ret[n]) == 1)
			n++;
	}
	if (d)
		closedir(d);
	return !d || threads > THREADS_MAX ? 2 : n;
}

static void line(pid_t pid, const char *file, const char *key, char *ret, size_t bytes)
{
	char path[64], text[256];
	_cleanup_fclose_ FILE *f = NULL;
	size_t n = strlen(key);

	ret[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	while (f && fgets(text, sizeof(text), f)) {
		if (strncmp(text, key, n) != 0)
			continue;
		text[strcspn(text, "\n")] = '\0';
		snprintf(ret, bytes, "%.*s", (int)(bytes - 1), text + n);
		return;
	}
}

bool box_process_read(pid_t pid, struct box_process *ret)
{
	char path[64], uid[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, ret->exe, sizeof(ret->exe) - 1);
	if (n < 0)
		return false;
	ret->exe[n] = '\0';
	line(pid, "comm", "", ret->comm, sizeof(ret->comm));
	line(pid, "status", "Uid:", uid, sizeof(uid));
	ret->uid = (uint32_t)strtoul(uid, NULL, 10);
	ret->pid = (uint32_t)pid;
	return uid[0] != '\0';
}

bool box_process(pid_t first, bool init, struct box_process *ret)
{
	pid_t pid = first, found[2];

	if (init && children(first, found) != 1)
		return false;
	if (init)
		pid = found[0];
	return children(pid, found) == 0 && box_process_read(pid, ret);
}
