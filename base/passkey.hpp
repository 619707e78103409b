// For a class that only its own create() may make, by std::make_unique: its constructor is public
// and takes a Passkey of the class, which nobody else can make.
#pragma once

template <typename T>
class Passkey {
    friend T;
    Passkey() = default;
};
