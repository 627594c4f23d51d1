// SPDX-License-Identifier: GPL-2.0-or-later
/* Which libraries an ELF file names (DT_NEEDED) and where else it looks for them (DT_RUNPATH,
 * DT_RPATH). The file may be anybody's: every offset is checked, everything is bounded. */
#include "agentctl/confine/elf_needs.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "policy/base/cleanup.h"

#define PHDRS_MAX   128
#define DYNAMIC_MAX 4096       /* entries */
#define STRINGS_MAX (1u << 20) /* bytes of names */

struct elf {
	int fd;
	ElfW(Phdr) ph[PHDRS_MAX];
	size_t n_ph;
	ElfW(Dyn) dyn[DYNAMIC_MAX];
	size_t n_dyn;
};

static bool read_at(int fd, void *to, size_t bytes, uint64_t at)
{
	return at <= INT64_MAX && pread(fd, to, bytes, (off_t)at) == (ssize_t)bytes;
}

static int read_headers(struct elf *f)
{
	ElfW(Ehdr) h;

	if (!read_at(f->fd, &h, sizeof(h), 0) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) ||
	    h.e_phentsize != sizeof(f->ph[0]) || h.e_phnum > PHDRS_MAX)
		return -ENOEXEC;
	f->n_ph = h.e_phnum;
	return read_at(f->fd, f->ph, f->n_ph * sizeof(f->ph[0]), h.e_phoff) ? 0 : -ENOEXEC;
}

static int read_dynamic(struct elf *f)
{
	for (size_t i = 0; i < f->n_ph; i++) {
		if (f->ph[i].p_type != PT_DYNAMIC)
			continue;
		f->n_dyn = f->ph[i].p_filesz / sizeof(f->dyn[0]);
		if (f->n_dyn > DYNAMIC_MAX)
			return -ENOEXEC;
		return read_at(f->fd, f->dyn, f->n_dyn * sizeof(f->dyn[0]), f->ph[i].p_offset)
			   ? 0
			   : -ENOEXEC;
	}
	return 0; /* static */
}

static uint64_t dynamic(const struct elf *f, int64_t tag)
{
	for (size_t i = 0; i < f->n_dyn && f->dyn[i].d_tag != DT_NULL; i++)
		if (f->dyn[i].d_tag == tag)
			return f->dyn[i].d_un.d_val;
	return 0;
}

/* The file offset of an address; false: it is in no segment. */
static bool offset_of(const struct elf *f, uint64_t address, uint64_t *ret)
{
	for (size_t i = 0; i < f->n_ph; i++)
		if (f->ph[i].p_type == PT_LOAD && address >= f->ph[i].p_vaddr &&
		    address - f->ph[i].p_vaddr < f->ph[i].p_filesz) {
			*ret = f->ph[i].p_offset + (address - f->ph[i].p_vaddr);
			return true;
		}
	return false;
}

/* The table of names, terminated; to be freed. */
static char *read_strings(const struct elf *f, size_t *ret_bytes)
{
	uint64_t at, bytes = dynamic(f, DT_STRSZ);
	char *s;

	if (!bytes || bytes > STRINGS_MAX || !offset_of(f, dynamic(f, DT_STRTAB), &at))
		return NULL;
	s = malloc(bytes + 1);
	if (!s || !read_at(f->fd, s, bytes, at)) {
		free(s);
		return NULL;
	}
	s[bytes] = '\0';
	*ret_bytes = bytes;
	return s;
}

static int each(const struct elf *f, bool paths, const char *strings, size_t bytes, elf_name_fn *fn,
		void *arg)
{
	for (size_t i = 0; i < f->n_dyn && f->dyn[i].d_tag != DT_NULL; i++) {
		int64_t tag = f->dyn[i].d_tag;

		if (paths ? tag != DT_RUNPATH && tag != DT_RPATH : tag != DT_NEEDED)
			continue;
		if (f->dyn[i].d_un.d_val >= bytes)
			return -ENOEXEC;
		fn(arg, strings + f->dyn[i].d_un.d_val, paths);
	}
	return 0;
}

int elf_needs(const char *path, elf_name_fn *fn, void *arg)
{
	_cleanup_free_ struct elf *f = calloc(1, sizeof(*f));
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_free_ char *strings = NULL;
	size_t bytes = 0;
	int r;

	if (!f || fd < 0)
		return f ? -errno : -ENOMEM;
	f->fd = fd;
	if ((r = read_headers(f)) < 0 || (r = read_dynamic(f)) < 0)
		return r;
	if (f->n_dyn && !(strings = read_strings(f, &bytes)))
		return -ENOEXEC;
	r = each(f, true, strings, bytes, fn, arg);
	return r < 0 ? r : each(f, false, strings, bytes, fn, arg);
}
