/// \file
/// Symbol visibility: everything is hidden unless it carries PYENGINE_EXPORT.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define PYENGINE_EXPORT __attribute__((visibility("default")))
#else
#define PYENGINE_EXPORT
#endif
