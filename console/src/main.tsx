import './ui/base.css';
import { render } from 'preact';
import { App } from './app';
import { start } from './state/session';
import { applyTheme } from './state/theme';

applyTheme();
render(<App />, document.getElementById('app')!);
void start();
