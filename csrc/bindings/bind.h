#pragma once

#include <pybind11/pybind11.h>

namespace pyengine {

void BindOptions(pybind11::module_& m);
void BindEngine(pybind11::module_& m);
void BindBuild(pybind11::module_& m);
void BindStream(pybind11::module_& m);
void BindPlans(pybind11::module_& m);
void BindDlpack(pybind11::module_& m);
void BindMachine(pybind11::module_& m);

}  // namespace pyengine
