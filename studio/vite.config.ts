import { defineConfig } from "vite";

export default defineConfig({
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8000", ws: true } } },
  build: {
    outDir: "../tenku/serving/studio",
    emptyOutDir: true,
    target: "es2022",
    cssTarget: ["chrome123", "firefox128", "safari17.5"],
    assetsInlineLimit: 0, // the page's content security policy allows files, not data in the page
    modulePreload: { polyfill: false },
  },
});
