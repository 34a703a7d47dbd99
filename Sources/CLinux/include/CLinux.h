// What Swift cannot say to Linux: structures behind feature macros, variadic calls, enumerations that differ between
// C libraries. Every function answers 0 (or a count) on success and a negated errno on failure, as libuv does.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Who is on the other end of a Unix socket (SO_PEERCRED), as it was when the peer called connect(2) or socketpair(2).
int clinux_peer_credentials(int descriptor, uint32_t *uid, uint32_t *gid, int32_t *pid);

/// Supplementary groups of the peer (SO_PEERGROUPS, Linux 4.13). Answers how many there are; only when that is at most
/// `capacity` have they been stored in `groups`.
int clinux_peer_groups(int descriptor, uint32_t *groups, size_t capacity);

/// accept4(2) with SOCK_CLOEXEC and SOCK_NONBLOCK. Answers the descriptor.
int clinux_accept(int descriptor);

/// Opens a directory as a place (O_PATH): search permission is enough. Answers the descriptor.
int clinux_open_directory(const char *path);

/// 1 when epoll(7) takes the descriptor, 0 when it refuses it (EPERM: regular files, directories, /dev/null), else a
/// negated errno. libuv aborts the process when it meets a refusal, so this is asked beforehand.
int clinux_is_pollable(int descriptor);

/// RLIMIT_CORE 0 and PR_SET_DUMPABLE 0: no core file and no debugger of the same user sees what is in memory.
int clinux_forbid_core_dumps(void);

/// Lifts the soft limit of descriptors towards `wanted`, at most to the hard limit. The limit now in force is stored.
int clinux_raise_descriptor_limit(uint64_t wanted, uint64_t *in_force);

/// Lets the other threads of the process go first (five steps of nice, SCHED_BATCH), for the calling thread only. Best
/// effort.
void clinux_yield_priority(void);

/// Name of the calling thread as ps(1) and debuggers show it; cut at 15 bytes by the kernel.
void clinux_name_thread(const char *name);

/// True when the descriptor is the master side of a pseudo terminal (/dev/ptmx), which makes a new terminal if reopened.
int clinux_is_terminal_master(int descriptor);
