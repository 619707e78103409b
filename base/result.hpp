// Errors as values. A function that can fail returns Result<T>; nothing in this
// program throws, and nothing here allocates. Any thread.
//
// std::expected is not used: GCC 12 has it only with -std=c++23 and Clang 14 (our
// clang-tidy and libFuzzer) cannot see it at all.
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

// The file or argument that an error is about. Of a name that is too long both ends are kept, with
// "..." between them: a path says most there.
class Subject {
public:
    static constexpr size_t kMostBytes = 215;

    // None; the bytes stay as they are, so that this costs nothing.
    constexpr Subject() : none_('\0') {}  // NOLINT(*-member-init)
    explicit Subject(std::string_view name);

    constexpr bool is_given() const { return size_ != kNone; }
    constexpr std::string_view text() const {
        return is_given() ? std::string_view(bytes_.data(), size_) : std::string_view();
    }

private:
    static constexpr uint8_t kNone = kMostBytes + 1;

    uint8_t size_ = kNone;
    union {
        char none_;
        std::array<char, kMostBytes> bytes_;
    };
};

// What failed, why, and what to do about it. It is turned into one line where it is
// handled, by format_error().
struct [[nodiscard]] Error {
    const char* what = nullptr;       // literal: the operation, flag or field ("KVM_CREATE_VM")
    int code = 0;                     // errno value, or 0 when `hint` says it all
    const char* hint = nullptr;       // literal: what is wrong with the value, or the remedy
    std::optional<uint64_t> value{};  // the value found in a field
    Subject named{};                  // set by about()

    static Error from_errno(const char* what, const char* hint = nullptr) {
        return {what, errno, hint};
    }

    // The same error, said of `name` (a path, an argument); an inner subject is kept.
    Error about(std::string_view name) const;

    // Empty without one.
    constexpr std::string_view subject() const { return named.text(); }
};
static_assert(sizeof(Error) == 256 && std::is_trivially_copyable_v<Error>);

// Writes "subject: what value: reason; hint" to `line`, cut to fit and NUL-terminated.
// Returns the length without the NUL. Control characters in the subject become '?'.
size_t format_error(const Error& error, std::span<char> line);

struct Ok {};

template <typename T = Ok>
class [[nodiscard]] Result {
public:
    // Implicit on purpose: `return value;` and `return Error{...};` both read well.
    constexpr Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    constexpr Result(const Error& error) : state_(std::in_place_index<1>, error) {}

    constexpr bool ok() const { return state_.index() == 0; }

    // Precondition: ok().
    constexpr T& value() & { return *std::get_if<0>(&state_); }
    constexpr const T& value() const& { return *std::get_if<0>(&state_); }
    constexpr T&& value() && { return std::move(*std::get_if<0>(&state_)); }

    // Precondition: !ok().
    constexpr const Error& error() const { return *std::get_if<1>(&state_); }

private:
    std::variant<T, Error> state_;
};

// Evaluates to the value, or returns the error from the enclosing function. One TRY may stand
// inside another: each has a variable of its own.
#define TRY(expr) TRY_NAMED(expr, TRY_JOIN(try_result_, __COUNTER__))
// `result` is a name here and cannot stand in parentheses: NOLINTBEGIN(bugprone-macro-parentheses)
#define TRY_NAMED(expr, result)                  \
    (__extension__({                             \
        auto result = (expr);                    \
        if (!result.ok()) return result.error(); \
        std::move(result).value();               \
    }))
// NOLINTEND(bugprone-macro-parentheses)
#define TRY_JOIN(left, right) TRY_JOIN_NOW(left, right)
#define TRY_JOIN_NOW(left, right) left##right
