/* The little JSON that is needed: escaping any bytes, and one string out of a known answer. No parser for the rest. */
#include "helper.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 sequence at text, or 0 when it is not one (overlong forms and surrogates included). */
static size_t utf8_length(const unsigned char *text, size_t left) {
    size_t length = *text < 0x80 ? 1 : *text < 0xc2 ? 0 : *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : *text < 0xf5 ? 4 : 0;

    if (!length || length > left)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] > 0x9f) || (*text == 0xf0 && text[1] < 0x90) ||
        (*text == 0xf4 && text[1] > 0x8f))
        return 0;
    return length;
}

/* One character of the input as JSON into piece; returns how many bytes of the input it took. */
static size_t escape_one(const unsigned char *text, size_t left, char piece[8]) {
    size_t length = utf8_length(text, left);

    if (!length) {
        strcpy(piece, "\xef\xbf\xbd");
        return 1;
    }
    if (*text == '"' || *text == '\\')
        snprintf(piece, 8, "\\%c", *text);
    else if (*text == '\n' || *text == '\t' || *text == '\r')
        snprintf(piece, 8, "\\%c", *text == '\n' ? 'n' : *text == '\t' ? 't' : 'r');
    else if (*text < 0x20 || *text == 0x7f)
        snprintf(piece, 8, "\\u%04x", *text);
    else
        snprintf(piece, 8, "%.*s", (int)length, (const char *)text);
    return length;
}

size_t json_escape(char *out, size_t size, const char *text, size_t length) {
    size_t used = 0;

    for (size_t i = 0; i < length;) {
        char piece[8];
        size_t width;

        i += escape_one((const unsigned char *)text + i, length - i, piece);
        width = strlen(piece);
        if (used + width < size)
            memcpy(out + used, piece, width);
        used += width;
    }
    if (used < size)
        out[used] = 0;
    return used;
}

const char *json_string_end(const char *at) {
    for (; *at && *at != '"'; at++)
        if (*at == '\\' && !*++at)
            return NULL;
    return *at ? at : NULL;
}

int json_member(const char *json, const char *name, char *out, size_t size) {
    size_t wanted = strlen(name);
    int depth = 0;

    for (const char *at = json; *at; at++) {
        const char *end, *value;
        size_t length;

        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        if (*at != '"')
            continue;
        end = json_string_end(at + 1);
        if (!end)
            return 0;
        length = (size_t)(end - at - 1);
        value = end + 1 + strspn(end + 1, " \t\r\n");
        if (depth == 1 && *value == ':' && length == wanted && !memcmp(at + 1, name, length)) {
            value += 1 + strspn(value + 1, " \t\r\n");
            end = *value == '"' ? json_string_end(value + 1) : NULL;
            if (!end || (size_t)(end - value) > size)
                return 0;
            snprintf(out, size, "%.*s", (int)(end - value - 1), value + 1);
            return 1;
        }
        at = end;
    }
    return 0;
}

int json_escape_main(int argc, char **argv) {
    int bounded = argc == 4 && !strcmp(argv[1], "--max");
    size_t length, needed, most = bounded ? strtoul(argv[2], NULL, 10) : SIZE_MAX;
    char *out;

    if (argc != 2 && !bounded) {
        fprintf(stderr, "usage: dind-helper json-escape [--max BYTES] TEXT\n");
        return EXIT_USAGE;
    }
    length = strlen(argv[argc - 1]);
    /* One byte becomes at most six, so an eighth of the excess never takes more than there is. */
    while ((needed = json_escape(NULL, 0, argv[argc - 1], length)) > most)
        length -= 1 + (needed - most) / 8;
    out = malloc(needed + 1);
    if (!out)
        return EXIT_HELPER;
    json_escape(out, needed + 1, argv[argc - 1], length);
    printf("\"%s\"", out);
    free(out);
    return 0;
}
