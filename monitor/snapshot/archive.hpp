// How a state becomes bytes and bytes a state. One function per state says which fields it has, in
// which order; both directions call it, so that what is written and what is read cannot differ:
//
//     constexpr Phase last_value(Phase) { return Phase::kRunning; }
//     template <typename Archive>
//     void describe(Archive& archive, SerialState& state) {
//         archive(state.ier, state.lcr, state.phase, state.queue_of_the_other_side);
//         archive.bounded(state.received, SerialState::kMostReceived);
//     }
//
// Both are found by the type of their last argument: they stand in its namespace, anywhere before
// the end of the file that writes or reads. describe() says fields and decides nothing by values.
//
// Rules of the format, little-endian, nothing aligned (docs/snapshots.md):
//   integer          as wide as its type; __int128 low half first
//   bool             a byte, 0 or 1
//   enum             its underlying type, up to last_value(): one that has none does not compile
//   std::array       its elements
//   std::optional    a bool, and the value if there is one
//   described struct 32 bits, how many bytes follow; its fields
//   bounded()        32 bits, how many elements follow; those (a string's are characters)
//   raw()            the bytes of a kernel's structure; of a vector as in bounded()
//
// In later releases a structure's fields are only ever appended to. A Decoder at whose structure's
// end fields are still to come leaves these as the default-constructed state has them; one that
// finds bytes behind the last field refuses them: they mean something to a newer release.
//
// No state is trusted: a Decoder never reads past its bytes, and allocates for elements that are
// there. What a value means is checked by whoever is created from the state.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.hpp"

static_assert(std::endian::native == std::endian::little,
              "fields are copied as they lie in memory");

namespace archive_types {

__extension__ using Int128 = __int128;
__extension__ using Uint128 = unsigned __int128;

template <typename T>
constexpr bool kIsWide = std::same_as<T, Int128> || std::same_as<T, Uint128>;

// What lies in memory as it lies in the file.
template <typename T>
concept Plain =
    (std::integral<T> && !std::same_as<T, bool> && !kIsWide<T>) || std::same_as<T, std::byte>;

template <typename T>
concept Enumeration = std::is_enum_v<T> && !std::same_as<T, std::byte>;

// `last_value(T)`, declared for it, says what the greatest value is.
template <typename T>
concept HasLastValue = requires(T value) {
    { last_value(value) } -> std::same_as<T>;
    T{std::underlying_type_t<T>{}};  // every value of its underlying type is one of its own
};

// A structure of the kernel, as its interface has it: for good, without pointers of ours.
template <typename T>
concept Raw =
    std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> && !std::is_pointer_v<T> &&
    !std::is_scalar_v<T>;

template <typename T>
struct Kind {
    static constexpr bool kIsArray = false, kIsOptional = false, kIsUnbounded = false;
};
template <typename T, size_t kCount>
struct Kind<std::array<T, kCount>> {
    static constexpr bool kIsArray = true, kIsOptional = false, kIsUnbounded = false;
};
template <typename T>
struct Kind<std::optional<T>> {
    static constexpr bool kIsArray = false, kIsOptional = true, kIsUnbounded = false;
};
template <typename T>
struct Kind<std::vector<T>> {
    static constexpr bool kIsArray = false, kIsOptional = false, kIsUnbounded = true;
};
template <>
struct Kind<std::string> {
    static constexpr bool kIsArray = false, kIsOptional = false, kIsUnbounded = true;
};

}  // namespace archive_types

// What Encoder and Decoder share: the kinds of fields. `Side` is one of them, and says by
//   kReads           whether values come from the bytes
//   bytes(span)      puts or takes these
//   begins_field()   whether there is another one
//   begin_nested(), end_nested(what that returned)
//   fits(count)      whether so many elements, of a byte or more, can follow
//   fail(what is wrong: a literal)
template <typename Side>
class Archive {
public:
    template <typename... Fields>
    void operator()(Fields&... fields) {
        (field([&] { value(fields); }), ...);
    }

    // At most `most` elements.
    template <typename T>
    void bounded(std::vector<T>& vector, uint32_t most) {
        static_assert(!std::same_as<T, bool>, "say std::vector<uint8_t>");
        field([&] { elements(vector, most, [this](T& element) { value(element); }); });
    }
    void bounded(std::string& text, uint32_t most) {
        field([&] { elements(text, most, [](char&) {}); });
    }

    template <archive_types::Raw T>
    void raw(T& structure) {
        field([&] { side().bytes(std::as_writable_bytes(std::span(&structure, 1))); });
    }
    template <archive_types::Raw T>
    void raw(std::optional<T>& structure) {
        field([&] {
            perhaps(structure,
                    [this](T& it) { side().bytes(std::as_writable_bytes(std::span(&it, 1))); });
        });
    }
    template <archive_types::Raw T>
    void raw(std::vector<T>& structures, uint32_t most) {
        field([&] {
            elements(structures, most,
                     [this](T& it) { side().bytes(std::as_writable_bytes(std::span(&it, 1))); });
        });
    }

private:
    friend Side;
    Archive() = default;

    Side& side() { return static_cast<Side&>(*this); }

    template <typename Body>
    void field(const Body& body) {
        if (side().begins_field()) body();
    }

    // A value within a field: it has to be there.
    template <typename T>
    void value(T& it) {
        using archive_types::Kind;
        static_assert(!std::is_const_v<T> && !std::is_pointer_v<T> && !std::is_floating_point_v<T>);
        static_assert(!Kind<T>::kIsUnbounded, "say archive.bounded(it, most)");
        if constexpr (archive_types::Plain<T>) {
            side().bytes(std::as_writable_bytes(std::span(&it, 1)));
        } else if constexpr (std::same_as<T, bool>) {
            flag(it);
        } else if constexpr (archive_types::kIsWide<T>) {
            wide(it);
        } else if constexpr (archive_types::Enumeration<T>) {
            enumeration(it);
        } else if constexpr (Kind<T>::kIsArray) {
            for (auto& element : it) value(element);
        } else if constexpr (Kind<T>::kIsOptional) {
            perhaps(it, [this](auto& inner) { this->value(inner); });
        } else {
            nested(it);
        }
    }

    void flag(bool& it) {
        auto byte = static_cast<uint8_t>(it);
        value(byte);
        if (byte > 1) side().fail("a flag is neither 0 nor 1");
        it = byte == 1;
    }

    template <typename T>
    void wide(T& it) {
        auto low = static_cast<uint64_t>(it);
        auto high = static_cast<uint64_t>(static_cast<archive_types::Uint128>(it) >> 64);
        value(low);
        value(high);
        it = static_cast<T>(static_cast<archive_types::Uint128>(high) << 64 | low);
    }

    template <typename T>
    void enumeration(T& it) {
        static_assert(archive_types::HasLastValue<T>,
                      "declare last_value() beside describe(), for an enum with a stated type");
        using Number = std::underlying_type_t<T>;
        auto number = static_cast<Number>(it);
        value(number);
        if (number < Number{} || number > static_cast<Number>(last_value(T{}))) {
            side().fail("is none of a field's values");
            return;
        }
        it = static_cast<T>(number);
    }

    template <typename T, typename Body>
    void perhaps(std::optional<T>& it, const Body& body) {
        bool is_there = it.has_value();
        flag(is_there);
        if (!is_there) {
            it.reset();
            return;
        }
        if (!it) it.emplace();
        body(*it);
    }

    template <typename List, typename Body>
    void elements(List& list, uint32_t most, const Body& each) {
        using T = typename List::value_type;
        auto count = static_cast<uint32_t>(std::min<size_t>(list.size(), UINT32_MAX));
        value(count);
        if (count > most) return side().fail("has more elements than a field may have");
        if (!side().fits(count)) return side().fail("has fewer elements than it says");
        if constexpr (archive_types::Plain<T> && sizeof(T) == 1) {
            list.resize(count);
            side().bytes(std::as_writable_bytes(std::span(list.data(), count)));
        } else if constexpr (Side::kReads) {
            list.clear();
            while (list.size() < count && !side().has_failed()) each(list.emplace_back());
        } else {
            for (T& element : list) each(element);
        }
    }

    template <typename T>
    void nested(T& it) {
        const auto outer = side().begin_nested();
        describe(side(), it);
        side().end_nested(outer);
    }
};

// A state to bytes. One thread.
class Encoder final : public Archive<Encoder> {
public:
    // Of one state, whose fields stand there without their length. Errors: `state` is not one that
    // a Decoder takes (too many elements, a value that an enum does not have).
    template <typename State>
    static Result<std::vector<std::byte>> encode(State state) {
        Encoder encoder;
        describe(encoder, state);
        if (encoder.wrong_ != nullptr) return Error{"state", 0, encoder.wrong_};
        return std::move(encoder.written_);
    }

private:
    friend class Archive<Encoder>;
    static constexpr bool kReads = false;

    void bytes(std::span<const std::byte> put);
    bool begins_field() const { return wrong_ == nullptr; }
    size_t begin_nested();
    void end_nested(size_t began_at);
    bool fits(uint32_t) const { return true; }
    void fail(const char* wrong);

    std::vector<std::byte> written_;
    const char* wrong_ = nullptr;
};

// Bytes to a state. One thread.
class Decoder final : public Archive<Decoder> {
public:
    // The state that `bytes` are, all of them. Errors: at which byte of them they are wrong.
    template <typename State>
    static Result<State> decode(std::span<const std::byte> bytes) {
        Decoder decoder(bytes);
        State state{};
        describe(decoder, state);
        decoder.end_structure();
        if (decoder.wrong_ != nullptr) return decoder.error();
        return state;
    }

private:
    friend class Archive<Decoder>;
    static constexpr bool kReads = true;

    explicit Decoder(std::span<const std::byte> bytes) : bytes_(bytes), end_(bytes.size()) {}

    // Nothing is taken after a failure: what is to be read stays as it is.
    void bytes(std::span<std::byte> taken);
    bool begins_field() const { return wrong_ == nullptr && at_ < end_; }
    size_t begin_nested();
    void end_nested(size_t outer_end);
    void end_structure();
    bool fits(uint32_t count) const { return count <= end_ - at_; }
    bool has_failed() const { return wrong_ != nullptr; }
    void fail(const char* wrong);
    Error error() const { return {"at byte", 0, wrong_, taken_at_}; }

    std::span<const std::byte> bytes_;
    size_t at_ = 0;        // of the next byte
    size_t end_ = 0;       // of the structure that is being read: at_ <= end_ <= bytes_.size()
    size_t taken_at_ = 0;  // of what was taken last
    const char* wrong_ = nullptr;
};
