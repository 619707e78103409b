// Any bytes that a VM's process may send as the answer to a request: what is accepted lies within
// them, and is accepted in the same way when it arrives in pieces and when more follows.
extern "C" {
#include "library/response.h"
#include "library/text.h"
}

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

namespace {

void check(bool holds) {
    if (!holds) __builtin_trap();
}

// A copy of its own, so that the sanitizer sees a byte that is read too many.
long parse(const uint8_t* data, size_t size, mayfly_response* response,
           std::unique_ptr<char[]>& copy) {
    copy = std::make_unique<char[]>(size);
    if (size > 0) std::memcpy(copy.get(), data, size);
    return mayfly_response_parse(copy.get(), size, response);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    mayfly_response response{};
    std::unique_ptr<char[]> copy;
    const long length = parse(data, size, &response, copy);
    check(length >= -1 && length <= MAYFLY_RESPONSE_SIZE && length <= static_cast<long>(size));
    if (length > 0) {
        check(response.status >= 200 && response.status <= 599);
        check(response.body + response.body_size == copy.get() + length);
        check(response.body >= copy.get());
        std::array<char, MAYFLY_TEXT_SIZE> message{};
        mayfly_text_fault(message.data(), message.size(), response.body, response.body_size);
        mayfly_response again{};
        std::unique_ptr<char[]> part;
        const auto whole = static_cast<size_t>(length);
        check(parse(data, whole, &again, part) == length);
        check(parse(data, whole - 1, &again, part) == 0);
        check(parse(data, whole / 2, &again, part) == 0);
    }
    return 0;
}
