//! One declaration per setting: file key, variable, flag, default and page follow from a struct's field.
