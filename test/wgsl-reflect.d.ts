// Node loads wgsl_reflect by its module file; its types belong to the package's name.
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export * from "wgsl_reflect";
}
