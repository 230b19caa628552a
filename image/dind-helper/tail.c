/*
 * The daemon's stderr passes through here on its way to the container's log, and its end is kept: after a crash the
 * last words are in the termination message even when the log is gone or may not be read.
 */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* After dockerd has ended its own children may hold the pipe open, so the end of file is not waited for. */
#define DRAIN_MS 300

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char kept[TAIL_MAX];
static size_t kept_length;
static int cut;
static pthread_t thread;
static int source;

static void keep(const char *text, size_t length) {
    size_t drop;

    pthread_mutex_lock(&lock);
    if (length > TAIL_MAX) {
        text += length - TAIL_MAX;
        length = TAIL_MAX;
        cut = 1;
    }
    drop = kept_length + length > TAIL_MAX ? kept_length + length - TAIL_MAX : 0;
    if (drop) {
        cut = 1;
        memmove(kept, kept + drop, kept_length - drop);
        kept_length -= drop;
    }
    memcpy(kept + kept_length, text, length);
    kept_length += length;
    pthread_mutex_unlock(&lock);
}

/* Whether a write that failed is to be tried again. Any holder of the log may have made it non-blocking. */
static int again(void) {
    struct pollfd log = {STDERR_FILENO, POLLOUT, 0};

    if (errno == EAGAIN)
        return poll(&log, 1, -1) > 0;
    return errno == EINTR;
}

static void *copy(void *unused) {
    char buffer[16384];

    for (;;) {
        ssize_t got = read(source, buffer, sizeof buffer);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return unused;
        keep(buffer, (size_t)got);
        /* The log's reader may be gone; the daemon must not feel it, so the pipe is emptied all the same. */
        for (ssize_t done = 0, put; done < got; done += put) {
            put = write(STDERR_FILENO, buffer + done, (size_t)(got - done));
            if (put < 0 && !again())
                break;
            put = put < 0 ? 0 : put;
        }
    }
}

int tail_start(int from) {
    source = from;
    return pthread_create(&thread, NULL, copy, NULL);
}

size_t tail_finish(char *out) {
    struct timespec deadline;
    size_t skip = 0, length;
    char *line;

    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_nsec += DRAIN_MS * 1000000L;
    deadline.tv_sec += deadline.tv_nsec / 1000000000L;
    deadline.tv_nsec %= 1000000000L;
    pthread_timedjoin_np(thread, NULL, &deadline);
    pthread_mutex_lock(&lock);
    /* Begin with a whole line, unless there is only the end of one. */
    line = cut ? memchr(kept, '\n', kept_length) : NULL;
    if (line && line + 1 < kept + kept_length)
        skip = (size_t)(line + 1 - kept);
    length = kept_length - skip;
    memcpy(out, kept + skip, length);
    pthread_mutex_unlock(&lock);
    return length;
}
