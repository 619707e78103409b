// What stays where it was made: it is neither copied nor moved, as others know its address. A base
// for interfaces and for what hands out references to itself. A class with a destructor of its own
// deletes its two copying members itself, which says the same.
#pragma once

class Pinned {
public:
    Pinned(const Pinned&) = delete;
    Pinned& operator=(const Pinned&) = delete;

protected:
    Pinned() = default;
    ~Pinned() = default;
};
