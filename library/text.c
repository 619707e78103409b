#include "library/text.h"

#include <stdint.h>
#include <string.h>

/* The bytes of the UTF-8 character at `from`, RFC 3629 §4; 0: it is none. */
static size_t character_length(const unsigned char* from, size_t left) {
    if (from[0] < 0x80) return 1;
    const size_t length = from[0] >= 0xf0 ? 4 : from[0] >= 0xe0 ? 3 : 2;
    if (from[0] < 0xc2 || from[0] > 0xf4 || left < length) return 0;
    for (size_t i = 1; i < length; ++i)
        if ((from[i] & 0xc0) != 0x80) return 0;
    /* Longer than it has to be, a half of a surrogate pair, above U+10FFFF. */
    if (from[0] == 0xe0 && from[1] < 0xa0) return 0;
    if (from[0] == 0xed && from[1] > 0x9f) return 0;
    if (from[0] == 0xf0 && from[1] < 0x90) return 0;
    if (from[0] == 0xf4 && from[1] > 0x8f) return 0;
    return length;
}

static bool is_control(const unsigned char* character, size_t length) {
    if (length == 1) return character[0] < 0x20 || character[0] == 0x7f;
    return length == 2 && character[0] == 0xc2 && character[1] < 0xa0; /* C1 */
}

void mayfly_text_copy(char* to, size_t size, const char* from, size_t length) {
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        const unsigned char* next = (const unsigned char*)from + at;
        const size_t bytes = character_length(next, length - at);
        const bool is_shown = bytes != 0 && !is_control(next, bytes);
        const size_t needed = is_shown ? bytes : 1;
        if (needed > size - 1 - used) break;
        if (is_shown)
            memcpy(to + used, next, bytes);
        else
            to[used] = '?';
        used += needed;
        at += bytes != 0 ? bytes : 1;
    }
    to[used] = 0;
}

/* What is left of a text that is read from the front. */
struct rest {
    const char* at;
    const char* end;
};

static void skip_white(struct rest* rest) {
    while (rest->at < rest->end && strchr(" \t\r\n", *rest->at) != NULL && *rest->at != 0)
        ++rest->at;
}

static bool take(struct rest* rest, const char* literal) {
    const size_t length = strlen(literal);
    if ((size_t)(rest->end - rest->at) < length) return false;
    if (memcmp(rest->at, literal, length) != 0) return false;
    rest->at += length;
    return true;
}

static bool take_token(struct rest* rest, const char* token) {
    skip_white(rest);
    return take(rest, token);
}

static bool take_hex4(struct rest* rest, uint32_t* value) {
    if (rest->end - rest->at < 4) return false;
    *value = 0;
    for (int i = 0; i < 4; ++i) {
        const char digit = *rest->at++;
        uint32_t nibble = 0;
        if (digit >= '0' && digit <= '9')
            nibble = (uint32_t)(digit - '0');
        else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f')
            nibble = (uint32_t)((digit | 0x20) - 'a' + 10);
        else
            return false;
        *value = *value << 4 | nibble;
    }
    return true;
}

/* Writes a code point as UTF-8, at most 4 bytes. One that has none becomes bytes that are not
 * UTF-8, which are shown as '?'. */
static size_t encode(uint32_t code, char* to) {
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    const size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    const uint32_t lead = length == 2 ? 0xc0 : length == 3 ? 0xe0 : 0xf0;
    to[0] = (char)(lead | code >> (6 * (length - 1)));
    for (size_t i = 1; i < length; ++i)
        to[i] = (char)(0x80 | (code >> (6 * (length - 1 - i)) & 0x3f));
    return length;
}

/* The code point behind "\u": RFC 8259 §7. A high surrogate takes the low one that must follow. */
static bool take_code(struct rest* rest, uint32_t* code) {
    if (!take_hex4(rest, code)) return false;
    if (*code < 0xd800 || *code > 0xdbff) return true;
    uint32_t low = 0;
    if (!take(rest, "\\u") || !take_hex4(rest, &low) || low < 0xdc00 || low > 0xdfff) return false;
    *code = 0x10000 + ((*code - 0xd800) << 10 | (low - 0xdc00));
    return true;
}

/* One character of a JSON string, or an escape, written to `to`: its bytes, at most 4. 0:
 * malformed. */
static size_t take_character(struct rest* rest, char* to) {
    static const char kEscapes[] = "\"\\/bfnrt";
    static const char kMeanings[] = "\"\\/\b\f\n\r\t";
    const char first = *rest->at++;
    if ((unsigned char)first < 0x20) return 0;
    *to = first;
    if (first != '\\') return 1;
    if (rest->at == rest->end) return 0;
    const char escape = *rest->at++;
    uint32_t code = 0;
    if (escape == 'u') return take_code(rest, &code) ? encode(code, to) : 0;
    const char* found = escape == 0 ? NULL : strchr(kEscapes, escape);
    if (found == NULL) return 0;
    *to = kMeanings[found - kEscapes];
    return 1;
}

bool mayfly_text_fault(char* to, size_t size, const char* body, size_t length) {
    struct rest rest = {body, body + length};
    if (!take_token(&rest, "{") || !take_token(&rest, "\"fault_message\"") ||
        !take_token(&rest, ":") || !take_token(&rest, "\""))
        return false;
    char plain[2 * MAYFLY_TEXT_SIZE];
    size_t used = 0;
    while (rest.at < rest.end && *rest.at != '"') {
        char character[4];
        const size_t bytes = take_character(&rest, character);
        if (bytes == 0) return false;
        if (bytes > sizeof(plain) - used) continue; /* cut, and read on for errors */
        memcpy(plain + used, character, bytes);
        used += bytes;
    }
    if (!take(&rest, "\"") || !take_token(&rest, "}")) return false;
    skip_white(&rest);
    if (rest.at != rest.end) return false;
    mayfly_text_copy(to, size, plain, used);
    return true;
}
