/// \file
/// Symbol visibility: everything is hidden unless it carries PYENGINE_EXPORT; PYENGINE_HIDDEN is
/// for what lies inside an exported class and is no one's business.
#pragma once

#if defined(__GNUC__) || defined(__clang__)
#define PYENGINE_EXPORT __attribute__((visibility("default")))
#define PYENGINE_HIDDEN __attribute__((visibility("hidden")))
#else
#define PYENGINE_EXPORT
#define PYENGINE_HIDDEN
#endif
