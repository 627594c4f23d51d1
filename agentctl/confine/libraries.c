// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the loader finds libraries: there files must be mappable as programs. */
#include "agentctl/confine/libraries.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agentctl/confine/subdirs.h"
#include "policy/base/cleanup.h"
#include "policy/base/path.h"

#define LD_SO_CONF   "/etc/ld.so.conf"
#define INCLUDE_DEEP 4

/* Directories of modules that libraries load, without programs. Every other directory below a
 * library directory may hold programs (a compiler's passes, helpers of desktops): from there
 * nothing can be mapped. */
static const char *const modules[] = {"engines-1.1", "engines-3", "gconv", "gio",    "gssapi",
				      "icu",         "jni",       "krb5",  "nss",    "ossl-modules",
				      "perl",        "perl-base", "perl5", "pkcs11", "sasl2"};

/* A directory that we may not read stays noexec: its programs could not be found. */
static void add_library_dir(struct library_dirs *l, const char *path)
{
	char real[PATH_MAX];
	struct stat st;

	if (l->n == LIBRARY_DIRS_MAX || !realpath(path, real) || stat(real, &st) < 0 ||
	    !S_ISDIR(st.st_mode) || faccessat(AT_FDCWD, real, R_OK | X_OK, AT_EACCESS) < 0)
		return;
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->path[i], real) == 0)
			return;
	snprintf(l->path[l->n++], PATH_MAX, "%s", real);
}

static void read_conf(struct library_dirs *l, const char *file, int deep)
{
	_cleanup_fclose_ FILE *f = deep ? fopen(file, "re") : NULL;
	char line[PATH_MAX];

	while (f && fgets(line, sizeof(line), f)) {
		char *p = line + strspn(line, " \t"), *end = p + strcspn(p, "#\n");
		glob_t g;

		while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		*end = '\0';
		if (p[0] == '/')
			add_library_dir(l, p);
		if (strncmp(p, "include ", 8) != 0)
			continue;
		p += 8 + strspn(p + 8, " \t");
		if (p[0] != '/' || glob(p, 0, NULL, &g) != 0)
			continue;
		for (size_t i = 0; i < g.gl_pathc; i++)
			read_conf(l, g.gl_pathv[i], deep - 1);
		globfree(&g);
	}
}

int library_loader(const char *program, char *ret, size_t bytes)
{
	_cleanup_close_ int fd = open(program, O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) h;
	ElfW(Phdr) ph;

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) != sizeof(h) ||
	    memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_phentsize != sizeof(ph))
		return -ENOEXEC;
	for (unsigned i = 0; i < h.e_phnum; i++) {
		off_t at = (off_t)(h.e_phoff + i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != sizeof(ph))
			return -ENOEXEC;
		if (ph.p_type != PT_INTERP)
			continue;
		if (ph.p_filesz < 2 || ph.p_filesz > bytes ||
		    pread(fd, ret, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz ||
		    ret[ph.p_filesz - 1])
			return -ENOEXEC;
		return 0;
	}
	ret[0] = '\0'; /* static */
	return 0;
}

void library_dirs(struct library_dirs *ret)
{
	char loader[PATH_MAX], real[PATH_MAX];

	ret->n = 0;
	ret->loader[0] = '\0';
	if (library_loader("/proc/self/exe", loader, sizeof(loader)) == 0 && loader[0] &&
	    realpath(loader, real)) {
		snprintf(ret->loader, sizeof(ret->loader), "%s", real);
		*strrchr(real, '/') = '\0';
		add_library_dir(ret, real);
	}
	read_conf(ret, LD_SO_CONF, INCLUDE_DEEP);
}

static bool is_module(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (strcmp(modules[i], name) == 0)
			return true;
	return false;
}

/* A directory above another library directory is not closed, either. */
static bool leads_to_library(const struct library_dirs *l, const char *path)
{
	for (size_t i = 0; i < l->n; i++)
		if (path_below(l->path[i], path))
			return true;
	return false;
}

bool library_maps(const struct library_dirs *l, const char *library, const char *path)
{
	char dir[PATH_MAX + NAME_MAX + 2], name[NAME_MAX + 1];
	const char *rest = path + strlen(library), *slash;

	rest += *rest == '/';
	slash = strchr(rest, '/');
	if (!slash)
		return true;
	if (slash - rest > NAME_MAX)
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)(slash - rest), rest);
	snprintf(dir, sizeof(dir), "%s/%s", library, name);
	return is_module(name) || leads_to_library(l, dir);
}

static bool may_hold_programs(const struct library_dirs *l, const char *library, const char *name)
{
	char path[PATH_MAX + NAME_MAX + 2];

	if (is_module(name))
		return false;
	snprintf(path, sizeof(path), "%s/%s", library, name);
	return !leads_to_library(l, path);
}

int library_program_dirs(const struct library_dirs *l, const char *library, const char *run_dir,
			 char **ret, size_t *ret_bytes)
{
	int r = subdirs(library, run_dir, ret, ret_bytes);
	char *to = *ret, *end;

	if (r < 0)
		return r;
	end = *ret + *ret_bytes;
	for (char *name = *ret, *next; name < end; name = next) {
		next = name + strlen(name) + 1;
		if (may_hold_programs(l, library, name)) {
			memmove(to, name, (size_t)(next - name));
			to += next - name;
		}
	}
	*ret_bytes = (size_t)(to - *ret);
	return 0;
}
