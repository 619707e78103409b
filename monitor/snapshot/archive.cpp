#include "monitor/snapshot/archive.hpp"

#include <cstring>

void Encoder::bytes(std::span<const std::byte> put) {
    written_.insert(written_.end(), put.begin(), put.end());
}

size_t Encoder::begin_nested() {
    written_.resize(written_.size() + sizeof(uint32_t));
    return written_.size();
}

void Encoder::end_nested(size_t began_at) {
    const size_t size = written_.size() - began_at;
    if (size > UINT32_MAX) return fail("has a structure of more than 4 GiB");
    const auto length = static_cast<uint32_t>(size);
    std::memcpy(&written_[began_at - sizeof length], &length, sizeof length);
}

void Encoder::fail(const char* wrong) {
    if (wrong_ == nullptr) wrong_ = wrong;
}

void Decoder::bytes(std::span<std::byte> taken) {
    if (wrong_ != nullptr) return;
    taken_at_ = at_;
    if (taken.size() > end_ - at_) return fail("ends inside a field");
    if (taken.empty()) return;
    std::memcpy(taken.data(), &bytes_[at_], taken.size());
    at_ += taken.size();
}

size_t Decoder::begin_nested() {
    uint32_t length = 0;
    bytes(std::as_writable_bytes(std::span(&length, 1)));
    if (length > end_ - at_) fail("has a structure that is longer than what it is in");
    const size_t outer_end = end_;
    if (wrong_ == nullptr) end_ = at_ + length;
    return outer_end;
}

void Decoder::end_nested(size_t outer_end) {
    end_structure();
    end_ = outer_end;
}

void Decoder::end_structure() {
    if (wrong_ != nullptr || at_ == end_) return;
    taken_at_ = at_;
    fail("holds more than this release knows");
}

void Decoder::fail(const char* wrong) {
    if (wrong_ == nullptr) wrong_ = wrong;
}
