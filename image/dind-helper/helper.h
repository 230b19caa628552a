/*
 * One static program for what POSIX sh cannot do: a cgroup namespace, a question to dockerd over its unix socket,
 * and a PID 1 that reaps. It is copied into containers of any distribution, so it uses nothing but the kernel.
 */
#ifndef DIND_HELPER_H
#define DIND_HELPER_H

#include <stddef.h>
#include <sys/types.h>

/* Exit status of the helper's own failures before COMMAND runs; docker and env use the same number. */
#define EXIT_HELPER 125
#define EXIT_USAGE 2

/* The kubelet keeps at most this much of a container's termination message. */
#define MESSAGE_MAX 4096
/* How much of dockerd's last words goes into the message: a screenful, and room for escapes within MESSAGE_MAX. */
#define TAIL_MAX 2000

int cgroupns_main(int argc, char **argv);
int ping_main(int argc, char **argv);
int init_main(int argc, char **argv);
int json_escape_main(int argc, char **argv);
int volume_main(int argc, char **argv);
int lock_main(int argc, char **argv);
int activity_main(int argc, char **argv);
int network_main(int argc, char **argv);
int inotify_main(int argc, char **argv);

/* Milliseconds of the monotonic clock; deadlines are points on it. */
long long now_ms(void);
void sleep_ms(long ms);

/* Milliseconds, of which tests make fewer (periods.c). */
struct periods {
    /* Between two checks of the volume and of whether the daemon is used: some system calls each. */
    long look;
    /* Shorter pauses are part of any work, and not reported: at most two lines a minute, whatever is done. */
    long idle_after;
    /* The first repetitions come after the one; then each when the time has grown by a twelfth, at last after the other. */
    long idle_step_min, idle_step_max;
    /* Between two rounds over images that could not be had: a registry that is down is not to be stormed, one that is back
     * soon asked. */
    long pull_again_min, pull_again_max;
    /* Between two tries to start a container, where dockerd could not. */
    long check_again;
    /* For so long a container that was given a limit before a change may take to start: then it is given the new one. */
    long start;
};
struct periods periods(void);

struct http_answer {
    int status;
    size_t length;
    char error[256];
};
/*
 * A request without a body has neither type nor length. `headers` are whole lines. With `idle_ms` the answer is a stream:
 * it may take any time, as long as something comes that often, and of one that is too long for the buffer the middle is
 * left out.
 */
struct http_request {
    const char *method, *path, *type, *body;
    size_t length;
    const char *headers;
    long idle_ms;
};
/*
 * One request over the unix socket, whole before the deadline. Returns the HTTP status and the NUL-terminated body
 * (cut at size), or -1 with a one-line reason in `error`.
 */
int http_call(const char *socket_path, const struct http_request *asked, long long deadline, char *body, size_t size,
              struct http_answer *answer);
/* The same with GET. */
int http_get(const char *socket_path, const char *path, long long deadline, char *body, size_t size,
             struct http_answer *answer);

/*
 * Appends text as the inside of a JSON string; bytes that are not UTF-8 become U+FFFD, so the result is always valid.
 * Returns the length needed; nothing is written past size (and the result is then not terminated: try again shorter).
 */
size_t json_escape(char *out, size_t size, const char *text, size_t length);
/* The quote that ends the string whose inside starts at `at`; NULL when the text ends before it does. */
const char *json_string_end(const char *at);
/* The still escaped value of a string member of the outermost object; 0 when absent, no string, or too long. */
int json_member(const char *json, const char *name, char *out, size_t size);

/* Copies everything from a pipe to stderr in a thread and keeps the end of it. 0, or why there is no thread. */
int tail_start(int from);
/* Waits shortly for what is still in the pipe; returns the length copied to out (at most TAIL_MAX). */
size_t tail_finish(char *out);

/* Asks until dockerd answers and prints the `dind-report` line once. Run in a child of init. */
void report_run(const char *socket_path);

/*
 * Starts a container through the Docker API, looks where the kernel put it, removes it, and prints one line,
 * `dind-isolation {"version":1,"inside":true|false|null,...}`. `group` is the cgroup-parent that dockerd was given.
 * Returns 1 when dockerd failed at starting the container, which the line says with `"startRefused":true`.
 */
int isolation_run(const char *socket_path, const char *group);
/* The program of that container: does nothing until it is ended. */
int pause_main(int argc, char **argv);

/*
 * Keeps the limit of nested containers `reserve` bytes below the container's own, when that is changed while it runs
 * (a pod that is resized in place). For ever: run in a child of init.
 */
void limits_run(const char *group, unsigned long long last, unsigned long long reserve) __attribute__((noreturn));

/* Hands on what is asked at ADDRESS, port 53, to the nameservers of this container. For ever: run in a child of init. */
void forward_run(const char *address);

/* What a file system holds and may hold, in bytes and in files. */
struct volume {
    unsigned long long used, limit, inodes_used, inodes_limit;
};
/* Whether it is to be called full, given what it was called before. */
int volume_full(const struct volume *volume, int was_full);
/* What was said of the volume at path, and when. */
struct volume_watch {
    const char *path;
    int full, repeats;
    long long said;
};
/* One look: prints a `dind-volume` line when the volume has become full or has room again. */
void volume_step(struct volume_watch *watch);

/* What was seen of the daemon's use. Times are in milliseconds of the monotonic clock. */
struct activity {
    const char *socket_path, *group;
    long long used, next;
    unsigned long long opens;
    int idle, seen, begun, sign;
};
/* One look: prints a `dind-activity` line when the daemon is used no more, from time to time while that lasts, and when
 * it is used again. */
void activity_step(struct activity *activity);

/* Whether nobody but this program has connected to the socket since it was marked; and the mark. */
int socket_unused(const char *path);
int socket_mark(const char *path);

/*
 * Credentials for a registry (host[:port], docker.io for Docker Hub) out of a file as `docker login` writes it, as a whole
 * header line, to be freed; NULL where the file has none or is none. They are never printed.
 */
char *registry_auth(const char *file, const char *registry);

/* Images that are pulled before the daemon is ready. */
struct preload {
    const char *socket_path, *images, *credentials, *marker;
};
/*
 * Pulls the images (names with blanks between) that are not there, again and again until all are, then makes the file
 * `marker`. Prints a `dind-preload` line when something has changed. Run in a child of init.
 */
void preload_run(const struct preload *preload);
int preload_main(int argc, char **argv);

/* Whether this container may use loop devices at all; makes nodes in /dev for those that the kernel may still make. */
int loops_possible(void);
void loops_nodes(void);
/* Writes down the loop devices that are attached from within this container. For ever: run in a child of init. */
void loops_run(const char *record) __attribute__((noreturn));
/* Has those of the record detached: at once, or with `hold` when this process has ended. */
void loops_detach(const char *record, int hold);

/* The folder, locked as long as what is returned stays open; -1 with errno (EWOULDBLOCK: somebody else has it). */
int lock_folder(const char *path);

/* Replaces the termination message, when there is a file for one. status is that of waitpid. */
void message_write(const char *path, const char *docker_version, int status, const char *tail, size_t length);

#endif
