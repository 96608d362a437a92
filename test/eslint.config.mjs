import tseslint from 'typescript-eslint';

const exports = [
  { selector: 'ExportDefaultDeclaration', message: 'Name what you export.' },
  { selector: 'ExportAllDeclaration', message: 'No barrels: import the file.' },
];
/** Eight for a constructor, whose parameters are injected; five for everything else. */
const parameters = [
  {
    selector: 'MethodDefinition[kind="constructor"] > FunctionExpression[params.length>8]',
    message: 'A constructor has at most 8 parameters.',
  },
  {
    selector:
      ':matches(FunctionDeclaration, ArrowFunctionExpression)[params.length>5], ' +
      'MethodDefinition[kind!="constructor"] > FunctionExpression[params.length>5]',
    message: 'A function has at most 5 parameters.',
  },
];

/** The budgets and habits that `npm run lint` holds the house to. */
export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', 'data/**', '**/*.mjs'] },
  ...tseslint.configs.recommendedTypeChecked.map((c) => ({ ...c, files: ['**/*.ts'] })),
  {
    files: ['**/*.ts'],
    languageOptions: {
      parserOptions: { project: 'test/tsconfig.json', tsconfigRootDir: new URL('..', import.meta.url).pathname },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/consistent-type-imports': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      'max-depth': ['error', 3],
      'no-restricted-syntax': ['error', ...exports],
    },
  },
  {
    files: ['src/**/*.ts', 'plugins/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'max-len': ['error', { code: 120, ignoreRegExpLiterals: true, ignoreTemplateLiterals: true }],
      'max-lines': ['error', { max: 350 }],
      'max-lines-per-function': ['error', { max: 60 }],
      'no-restricted-syntax': ['error', ...exports, ...parameters],
    },
  },
  {
    files: ['src/**/*.ts', 'plugins/**/*.ts'],
    ignores: ['src/platform/**', '**/*.spec.ts'],
    rules: {
      'no-console': 'error',
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Settings come from platform/config.ts.' },
        { object: 'Date', property: 'now', message: 'Take the time from Clock or as a parameter.' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
          message: 'Take the time from Clock or as a parameter.',
        },
        ...exports,
        ...parameters,
      ],
    },
  },
  { files: ['test/vitest.config.mts'], rules: { 'no-restricted-syntax': 'off' } },
  {
    // Test bodies read JSON of unknown shape and group many cases; the budgets for structure do not help there.
    files: ['**/*.spec.ts', 'test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    // The build before all tests may take longer than a test; live suites are not part of `npm test`.
    files: ['**/*.spec.ts', 'test/**/*.ts'],
    ignores: ['test/support/sync-programs.ts', 'test/global-setup.ts', 'test/live/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          name: 'node:child_process',
          importNames: ['execFileSync', 'execSync', 'spawnSync'],
          message: 'No limit of vitest ends it: take execFileSync or spawnSync from test/support/sync-programs.ts.',
        },
      ],
    },
  },
);
