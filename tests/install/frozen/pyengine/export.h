/// \file
/// Symbol visibility: everything is hidden unless it carries PYENGINE_EXPORT; PYENGINE_HIDDEN is
/// for what lies inside an exported class and is no one's business. On Windows, whoever links the
/// static library defines PYENGINE_STATIC (CMake's target and pkg-config do).
#pragma once

#if defined(_WIN32)
#if defined(PYENGINE_BUILDING)
#define PYENGINE_EXPORT __declspec(dllexport)
#elif defined(PYENGINE_STATIC)
#define PYENGINE_EXPORT
#else
#define PYENGINE_EXPORT __declspec(dllimport)
#endif
#define PYENGINE_HIDDEN
#elif defined(__GNUC__) || defined(__clang__)
#define PYENGINE_EXPORT __attribute__((visibility("default")))
#define PYENGINE_HIDDEN __attribute__((visibility("hidden")))
#else
#define PYENGINE_EXPORT
#define PYENGINE_HIDDEN
#endif
