// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <stddef.h>
#include <stdint.h>

// What Swift cannot import from glibc: functions behind _GNU_SOURCE, variadics, casting macros.
// No glibc header is included here: Swift would take its structures for this module's own.

/// The symbol of an errno value, as "ENOENT"; NULL when the value is unknown. Never freed.
const char *sealtail_error_name(int number);
/// The English text of an errno value; NULL when the value is unknown. Never freed.
const char *sealtail_error_text(int number);

const uint8_t *sealtail_find_bytes(
    const uint8_t *bytes, size_t count, const uint8_t *needle, size_t needle_count);
const uint8_t *sealtail_find_last_byte(const uint8_t *bytes, uint8_t byte, size_t count);

int sealtail_name_thread(const char *name);

void sealtail_tune_memory(int heap_count, int mapping_byte_count, int kept_byte_count);
/// Gives free pages of the heap back to the system, also those between pages in use.
void sealtail_release_memory(void);
/// Lets the system forget which pages of the program and its libraries were read; those that are
/// needed again come back from its cache, or from the files.
void sealtail_release_code(void);

int sealtail_fallocate(int descriptor, int64_t offset, int64_t byte_count);
int sealtail_flock_exclusive(int descriptor);

/// Where data begins at or behind `offset`, past any hole; -1 when there is none. A file system
/// that knows no holes answers `offset`.
int64_t sealtail_next_data(int descriptor, int64_t offset);

/// 0 when the path lies on a file system of other machines or programs, whose changes inotify(7)
/// does not see; 1 otherwise.
int sealtail_reports_changes(const char *path);

enum {
    SEALTAIL_WATCH_MODIFY = 1,
    SEALTAIL_WATCH_CREATE = 2,
    SEALTAIL_WATCH_DELETE = 4,
    SEALTAIL_WATCH_MOVE_FROM = 8,
    SEALTAIL_WATCH_MOVE_TO = 16,
    SEALTAIL_WATCH_DELETE_SELF = 32,
    SEALTAIL_WATCH_MOVE_SELF = 64,
    SEALTAIL_WATCH_OVERFLOW = 128,
    SEALTAIL_WATCH_IGNORED = 256,
    SEALTAIL_WATCH_ATTRIBUTES = 512,
};

/// One inotify event in plain fields; `name` points into the buffer that was passed in.
typedef struct {
    int32_t watch;
    uint32_t kinds;
    uint32_t cookie;
    const char *name;
    size_t name_count;
    size_t next_offset;
} sealtail_watch_event;

int sealtail_watch_open(void);
int sealtail_watch_add(int descriptor, const char *path, uint32_t kinds);
int sealtail_watch_remove(int descriptor, int watch);
/// Reads the event at `offset` of a filled buffer. Returns 0 when no whole event is left.
int sealtail_watch_event_at(
    const uint8_t *buffer, size_t count, size_t offset, sealtail_watch_event *event);

int sealtail_event_open(void);
void sealtail_event_ring(int descriptor);
void sealtail_event_silence(int descriptor);
/// Waits until the first or the second descriptor is readable; a negative one is left out.
/// Restarting after a signal is left to the caller. Returns poll(2)'s result; bit 0 and bit 1 of
/// `*ready` say which.
int sealtail_wait_readable(int first, int second, int64_t nanoseconds, int *ready);
/// The same, but the first descriptor is waited for to be writable.
int sealtail_wait_writable(int first, int second, int64_t nanoseconds, int *ready);

/// fnmatch(3) without flags: 1 when the name matches.
int sealtail_matches(const char *pattern, const char *name);

/// Blocks the given signals in this thread (and those it starts) and opens a signalfd for them.
int sealtail_signals_open(const int *signals, size_t count);
/// Returns the number of the next signal, 0 when none is waiting, -1 on an error.
int sealtail_signals_next(int descriptor);

/// Accepts a connection that neither blocks nor outlives an exec; -1 with errno when there is none.
int sealtail_accept(int descriptor);
/// Sets how many bytes of datagrams the kernel keeps, past the system's limit where that is allowed.
int sealtail_set_receive_buffer(int descriptor, int byte_count);
/// How many datagrams the kernel has dropped since the socket was made; 0 where it does not say.
uint32_t sealtail_dropped_datagrams(int descriptor);
enum { SEALTAIL_DATAGRAM_LIMIT = 64, SEALTAIL_SENDER_BYTE_COUNT = 28 };
/// Receives at most SEALTAIL_DATAGRAM_LIMIT datagrams without waiting, each into its own `room`
/// bytes of `buffer`. `sizes` gets what each of them had before it was cut to its room, `senders`
/// the address of each, SEALTAIL_SENDER_BYTE_COUNT bytes a datagram.
/// Returns how many came, -1 with errno when none did.
int sealtail_receive_datagrams(
    int descriptor, uint8_t *buffer, size_t room, unsigned limit, size_t *sizes,
    uint8_t *senders);

/// The bytes that a socket has taken and its peer's kernel has not acknowledged; -1 with errno.
int sealtail_unacknowledged_bytes(int descriptor);
/// Finds the columns and rows of a terminal; -1 when the descriptor is none.
int sealtail_terminal_size(int descriptor, int *columns, int *rows);

/// Copies the access control list of a path as the kernel keeps it (acl(5)); its size, 0 when it
/// has none or does not fit.
size_t sealtail_access_list(const char *path, uint8_t *buffer, size_t room);
/// 1 when somebody keeps the clock right, 0 when nobody does, -1 when the kernel does not say.
int sealtail_clock_is_kept(void);
