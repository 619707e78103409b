#include "library/response.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { kIncomplete = 0, kMalformed = -1 };

struct header {
    bool has_length;
    size_t body_size;
};

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* RFC 9110 §5.6.2: what the name of a field may consist of. */
static bool is_token(char byte) {
    if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || is_digit(byte)) return true;
    return byte != 0 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
}

/* Visible characters, blanks and tabs; bytes above ASCII are opaque (RFC 9110 §5.5). */
static bool is_value(const char* bytes, size_t size) {
    for (size_t i = 0; i < size; ++i) {
        const unsigned char byte = (unsigned char)bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) return false;
    }
    return true;
}

/* "HTTP/1.1 204 No Content"; the reason may be empty, the blank before it may not be missing. */
static bool parse_status_line(const char* line, size_t size, int* status) {
    static const char kVersion[] = "HTTP/1."; /* then 0 or 1 */
    const size_t version = sizeof(kVersion) - 1;
    if (size < version + 6 || memcmp(line, kVersion, version) != 0) return false;
    if (line[version] != '0' && line[version] != '1') return false;
    const char* const code = line + version + 2;
    if (code[-1] != ' ' || code[3] != ' ') return false;
    if (!is_digit(code[0]) || !is_digit(code[1]) || !is_digit(code[2])) return false;
    *status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    return *status >= 200 && *status <= 599 && is_value(code + 4, size - version - 6);
}

static bool parse_length(const char* value, size_t size, struct header* header) {
    if (header->has_length || size == 0) return false; /* twice: RFC 9110 §8.6 lets us refuse */
    header->has_length = true;
    for (size_t i = 0; i < size; ++i) {
        if (!is_digit(value[i])) return false;
        header->body_size = header->body_size * 10 + (size_t)(value[i] - '0');
        if (header->body_size > MAYFLY_RESPONSE_SIZE) return false;
    }
    return true;
}

static bool is_named(const char* line, size_t name, const char* wanted) {
    return name == strlen(wanted) && strncasecmp(line, wanted, name) == 0;
}

/* "Name: value". Blanks before the colon and folded lines are refused, as RFC 9112 §5 has it. */
static bool parse_field(const char* line, size_t size, struct header* header) {
    size_t name = 0;
    while (name < size && is_token(line[name])) ++name;
    if (name == 0 || name == size || line[name] != ':') return false;
    const char* value = line + name + 1;
    size_t length = size - name - 1;
    while (length > 0 && (*value == ' ' || *value == '\t')) ++value, --length;
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t')) --length;
    if (!is_value(value, length)) return false;
    if (is_named(line, name, "transfer-encoding")) return false;
    return !is_named(line, name, "content-length") || parse_length(value, length, header);
}

/* The length of the line at `bytes` without its CR LF; -1: it is not complete. A bare LF or CR ends
 * no line, and is then found to be no character of a value. */
static long line_length(const char* bytes, size_t size) {
    const char* const end = size == 0 ? NULL : memmem(bytes, size, "\r\n", 2);
    return end == NULL ? -1 : end - bytes;
}

static long parse(const char* bytes, size_t size, struct mayfly_response* response) {
    struct header header = {false, 0};
    long line = line_length(bytes, size);
    if (line < 0) return kIncomplete;
    if (!parse_status_line(bytes, (size_t)line, &response->status)) return kMalformed;
    size_t at = (size_t)line + 2;
    while ((line = line_length(bytes + at, size - at)) > 0) {
        if (!parse_field(bytes + at, (size_t)line, &header)) return kMalformed;
        at += (size_t)line + 2;
    }
    if (line < 0) return kIncomplete;
    at += 2;
    const bool has_none = response->status == 204 || response->status == 304; /* RFC 9112 §6.3 */
    /* Without a length the body would end with the connection, which we keep. */
    if (!has_none && !header.has_length) return kMalformed;
    if (has_none && header.body_size != 0) return kMalformed;
    if (header.body_size > MAYFLY_RESPONSE_SIZE - at) return kMalformed;
    if (header.body_size > size - at) return kIncomplete;
    response->body = bytes + at;
    response->body_size = header.body_size;
    return (long)(at + header.body_size);
}

long mayfly_response_parse(const char* bytes, size_t size, struct mayfly_response* response) {
    const size_t looked_at = size < MAYFLY_RESPONSE_SIZE ? size : MAYFLY_RESPONSE_SIZE;
    const long length = parse(bytes, looked_at, response);
    return length == kIncomplete && looked_at == MAYFLY_RESPONSE_SIZE ? kMalformed : length;
}
