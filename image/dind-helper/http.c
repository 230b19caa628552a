/*
 * The smallest HTTP client that can ask dockerd. HTTP/1.0, so that the answer is neither chunked nor kept alive:
 * it ends where the connection ends. Every wait is bounded by one deadline, whatever the other side does.
 */
#include "helper.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Between tries to connect while the listener's queue is full; short against every timeout in use. */
#define RETRY_MS 20

static int refuse(struct http_answer *answer, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct http_answer *answer, const char *format, ...) {
    va_list args;

    va_start(args, format);
    vsnprintf(answer->error, sizeof answer->error, format, args);
    va_end(args);
    return -1;
}

static int await(int fd, short events, long long deadline) {
    struct pollfd wanted = {fd, events, 0};

    for (;;) {
        long long left = deadline - now_ms();
        int ready;

        if (left <= 0) {
            errno = ETIMEDOUT;
            return -1;
        }
        ready = poll(&wanted, 1, (int)left);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -1;
    }
}

static int connect_by(const char *path, long long deadline, struct http_answer *answer) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd, unused;

    if (strlen(path) >= sizeof address.sun_path)
        return refuse(answer, "the socket's path is too long for a unix socket: %.100s...", path);
    strcpy(address.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return refuse(answer, "cannot make a socket: %s", strerror(errno));
    unused = socket_unused(path);
    while (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        /* A unix socket whose queue is full says EAGAIN at once and cannot be polled for. */
        if ((errno != EAGAIN && errno != EINTR) || now_ms() >= deadline) {
            refuse(answer, "cannot connect to %.100s: %s", path, strerror(errno == EAGAIN ? ETIMEDOUT : errno));
            close(fd);
            return -1;
        }
        sleep_ms(RETRY_MS);
        unused = socket_unused(path);
    }
    /* What this program asks is no use of the daemon; nor are probes, which it is too. */
    if (unused)
        socket_mark(path);
    return fd;
}

static int send_all(int fd, const char *bytes, size_t left, long long deadline) {
    while (left) {
        ssize_t sent = send(fd, bytes, left, MSG_NOSIGNAL);

        if (sent >= 0) {
            bytes += sent;
            left -= (size_t)sent;
        } else if ((errno != EAGAIN && errno != EINTR) || await(fd, POLLOUT, deadline)) {
            return -1;
        }
    }
    return 0;
}

/* A stream longer than the buffer: its beginning has the headers, its end what became of it. */
static size_t cut_middle(char *buffer, size_t size, size_t length) {
    size_t quarter = size / 4;

    memmove(buffer + quarter, buffer + length - quarter, quarter);
    return 2 * quarter;
}

/* Reads to the end of the connection or of the buffer; -1 on an error or at the deadline, which idle_ms puts off. */
static ssize_t receive_all(int fd, char *buffer, size_t size, long long deadline, long idle_ms) {
    size_t length = 0;

    while (length < size - 1) {
        ssize_t got = recv(fd, buffer + length, size - 1 - length, 0);

        if (got == 0)
            break;
        if (got > 0) {
            length += (size_t)got;
            if (idle_ms) {
                deadline = now_ms() + idle_ms;
                length = length < size - 1 ? length : cut_middle(buffer, size, length);
            }
        } else if ((errno != EAGAIN && errno != EINTR) || await(fd, POLLIN, deadline))
            return -1;
    }
    buffer[length] = 0;
    return (ssize_t)length;
}

static int parse(char *text, size_t length, struct http_answer *answer) {
    char *end;

    if (sscanf(text, "HTTP/%*d.%*d %d", &answer->status) != 1)
        return refuse(answer, "the answer is not HTTP");
    end = strstr(text, "\r\n\r\n");
    if (!end)
        return refuse(answer, "the answer ends within its headers");
    answer->length = length - (size_t)(end + 4 - text);
    memmove(text, end + 4, answer->length + 1);
    return answer->status;
}

/* To be freed; NULL without memory. */
static char *request_head(const struct http_request *asked) {
    char *head, body[128] = "";

    if (asked->type)
        snprintf(body, sizeof body, "Content-Type: %.64s\r\nContent-Length: %zu\r\n", asked->type, asked->length);
    if (asprintf(&head, "%s %s HTTP/1.0\r\nHost: docker\r\n%s%s\r\n", asked->method, asked->path, body,
                 asked->headers ? asked->headers : "") < 0)
        return NULL;
    return head;
}

int http_call(const char *socket_path, const struct http_request *asked, long long deadline, char *body, size_t size,
              struct http_answer *answer) {
    ssize_t length;
    char *head;
    int fd, result;

    memset(answer, 0, sizeof *answer);
    head = request_head(asked);
    if (!head)
        return refuse(answer, "no memory");
    fd = connect_by(socket_path, deadline, answer);
    if (fd < 0) {
        free(head);
        return -1;
    }
    if (send_all(fd, head, strlen(head), deadline) || send_all(fd, asked->body, asked->length, deadline) ||
        (length = receive_all(fd, body, size, deadline, asked->idle_ms)) < 0)
        result = refuse(answer, errno == ETIMEDOUT ? "no answer to %s in time" : "%s: the connection broke", asked->path);
    else
        result = parse(body, (size_t)length, answer);
    free(head);
    close(fd);
    return result;
}

int http_get(const char *socket_path, const char *path, long long deadline, char *body, size_t size,
             struct http_answer *answer) {
    const struct http_request asked = {.method = "GET", .path = path};

    return http_call(socket_path, &asked, deadline, body, size, answer);
}
