// A body that is sent in chunks (RFC 9112 §7.1), put together while it comes. As strict as the head
// is; what the trailers say is passed over.
//
// Owned by a connection; its thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

class ChunkedBody {
public:
    // What is no data, in the whole body: of a chunk's line what follows its size, and trailers.
    static constexpr size_t kMostExtraBytes = 8192;

    explicit ChunkedBody(size_t max_bytes) : max_bytes_(max_bytes) {}

    // Takes what it can from the start of `received`, and says how many bytes. Errors: what the
    // client did wrong; more data than `max_bytes`. Precondition: there was no error.
    Result<size_t> take(std::string_view received);

    // All of it has come.
    bool is_whole() const { return part_ == Part::kNone; }

    std::string_view data() const { return data_; }

private:
    enum class Part : uint8_t { kSize, kData, kDataEnd, kTrailers, kNone };  // that comes next

    // The same for the part that comes next; 0: not enough of it is there.
    Result<size_t> take_part(std::string_view received);
    Result<size_t> take_line(std::string_view received);
    Result<> on_size(std::string_view line);
    Result<> on_trailer(std::string_view line);
    Result<> count_extra(size_t bytes);

    size_t max_bytes_;
    std::string data_;
    size_t missing_bytes_ = 0;  // of the chunk that has begun
    size_t extra_bytes_ = 0;
    Part part_ = Part::kSize;
};
