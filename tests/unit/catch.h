#pragma once

// Catch2 moved its header between version 2 and 3; both serve.
#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
